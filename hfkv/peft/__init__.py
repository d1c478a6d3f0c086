"""What PEFT makes of the modules that transformers builds: LoRA and the prompt methods."""
