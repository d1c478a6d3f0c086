"""Figures into text: JSON, tables for reading, Markdown, CSV, tab-separated for agents, charts."""
