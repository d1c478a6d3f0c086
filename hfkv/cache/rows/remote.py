"""Architectures whose code stands in their repositories: ``documented``, from what it does.

No code from a repository is ever run: each row names where its rule is published, and the
checkpoint's own shapes must agree with it.
"""

from __future__ import annotations

from functools import partial

from hfkv.cache.geometry import repeated
from hfkv.cache.inner import plan_of
from hfkv.cache.kinds import Full, Kind, State
from hfkv.cache.plan import Plan
from hfkv.cache.plans import PlanFunction
from hfkv.cache.row import Row
from hfkv.cache.stated import attention, blocks, nested, nothing_else, per_layer
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

#: Attention under either of the two usual sets of names.
_either = partial(
    attention,
    layers=("num_hidden_layers", "n_layer"),
    heads=("num_attention_heads", "n_head"),
    hidden=("hidden_size", "n_embd"),
)
_GROUPED = attention(groups=("num_key_value_heads",), absent_groups_are_heads=True)
#: The class's own default is none or not known: the file must say how many.
_GROUPED_STATED = attention(groups=("num_key_value_heads",))
_GROUPED_DIM = attention(groups=("num_key_value_heads",), dim=("head_dim",))

#: Phi under both names that its code had before it came to transformers.
_FIRST_PHI = _either(
    groups=("n_head_kv",), absent_groups_are_heads=True, rows={".Wqkv.weight": "qkv"}
)


def _latent_note(model_type: str) -> PlanFunction:
    """As a type of transformers, whose class holds the latent."""

    def plan(config: Config) -> Plan:
        made = plan_of(config.as_type(model_type))
        note = (
            f"counted as transformers holds it for {model_type}, as the latent and the rotary "
            "key; the repository's own code may expand it to full keys and values"
        )
        return Plan(kinds=made.kinds, notes=(*made.notes, note))

    return plan


def _as_type(model_type: str) -> PlanFunction:
    """A class derived from one of transformers, whose defaults and plan it keeps.

    The geometry itself must stand in the file: where it does not, it stands elsewhere in it, and
    the defaults would be of another model.
    """

    def plan(config: Config) -> Plan:
        for key in ("num_hidden_layers", "num_attention_heads", "hidden_size"):
            if key not in config.raw:
                raise ConfigError(
                    "is missing", where=config.place(key), expected="the decoder's own number"
                )
        return plan_of(config.as_type(model_type))

    return plan


def _chatglm(config: Config) -> Plan:
    """ChatGLM: ``multi_query_group_num`` heads with ``multi_query_attention``, else all.

    The first ChatGLM-6B has neither key, and heads of ``hidden_size // num_attention_heads``.
    """
    nothing_else(config)
    heads = config.int("num_attention_heads")
    grouped = config.bool("multi_query_attention")
    groups = config.int("multi_query_group_num") if grouped else heads
    size = config.int("hidden_size")
    width = config.optional_int("kv_channels")
    if width is None:
        if grouped or size % heads:
            raise ConfigError(
                "is missing", where=config.place("kv_channels"), expected="elements of a head"
            )
        width = size // heads
    kind = Full(
        heads=groups,
        k_dim=width,
        v_dim=width,
        rows={".query_key_value.weight": (heads + 2 * groups) * width},
    )
    return Plan(kinds=[kind] * config.layers("num_layers"))


def _qwen(config: Config) -> Plan:
    """Qwen 1: as many key/value heads as heads; ``kv_channels`` must be what they divide into."""
    made = _either(rows={".c_attn.weight": "qkv"})(config)
    width = config.optional_int("kv_channels")
    for kind in made.kinds[:1]:
        assert isinstance(kind, Full)
        if width is not None and width != kind.k_dim:
            raise ConfigError(
                f"found {width}",
                where=config.place("kv_channels"),
                expected=f"{kind.k_dim}, the hidden size over the heads",
            )
    return made


def _refined_web(config: Config) -> Plan:
    """Falcon's first code: one head with ``multi_query``; else each of ``n_head_kv`` heads is
    repeated for the heads that share it before it is kept."""
    nothing_else(config)
    heads, size = config.int("n_head"), config.int("hidden_size")
    if size % heads:
        raise ConfigError(
            f"found {size}", where=config.place("hidden_size"), expected=f"a multiple of {heads}"
        )
    kept = 1 if config.bool("multi_query") else heads
    shared = config.optional_int("n_head_kv") or heads
    kind = Full(heads=kept, k_dim=size // heads, v_dim=size // heads)
    notes = repeated(shared, heads) if kept == heads else ()
    return Plan(kinds=[kind] * config.layers("n_layer"), notes=notes)


def _local_filter(config: Config) -> Kind:
    """Yuan: the last two hidden states, which its filter over neighbouring tokens reads."""
    if config.raw.get("attention_projection_size") is not None:
        raise UnsupportedError(
            "attention of another width than the hidden size",
            where=config.place("attention_projection_size"),
        )
    return State(
        states=(("hidden_states", (2, config.int("hidden_size")), None),), name="local filter"
    )


def _unfactored(config: Config) -> Plan:
    """DeepSeek-V2's code with ``use_mla`` off: plain multi-head attention."""
    inner = config.nested("language_config", model_type="deepseek_v2")
    if inner.raw.get("use_mla") is False:
        return attention(
            groups=("num_key_value_heads",), absent_groups_are_heads=True, known=("use_mla",)
        )(inner)
    if inner.raw.get("kv_lora_rank") is None:
        raise ConfigError(
            f"found {describe(inner.raw.get('use_mla'))}",
            where=inner.place("use_mla"),
            expected="false, or a kv_lora_rank",
        )
    return plan_of(inner.as_type("deepseek_v2"))


def _switched(flag: str, on: PlanFunction, off: PlanFunction) -> PlanFunction:
    """One plan where ``flag`` is set, another where it is not."""
    return lambda config: (on if config.bool(flag) else off)(config)


def _either_place(key: str, here: PlanFunction) -> PlanFunction:
    """The plan of a nested config where the file has one, else of the file itself."""
    inside = nested(key)
    return lambda config: (inside if key in config.raw else here)(config)


def _step3(config: Config) -> Plan:
    """Step3's multi-matrix factorized attention: ``num_attention_groups`` key/value heads."""
    if config.raw.get("use_mfa") is False:
        raise UnsupportedError("attention without factors", where=config.place("use_mfa"))
    return attention(groups=("num_attention_groups",), dim=("head_dim",))(config)


def _documented(plan: PlanFunction, source: str, *kinds: str) -> Row:
    return Row(plan, basis="documented", source=source, kinds=kinds or ("full",))


_llm = _documented(
    nested("llm_config"),
    "the nested llm_config's own type; the tower adds no cache",
    "by llm_config",
)
_text = _documented(
    nested("text_config"),
    "the nested text_config's own type; the tower adds no cache",
    "by text_config",
)
_flattened_qwen2 = _as_type("qwen2")
_internlm2 = attention(
    groups=("num_key_value_heads",),
    absent_groups_are_heads=True,
    rows={".wqkv.weight": "qkv"},
)
_latent = _latent_note("deepseek_v3")

ROWS: dict[str, Row] = {
    "aquila": _documented(_GROUPED, "BAAI/AquilaChat2-34B: modeling_aquila.py"),
    "baichuan": _documented(
        attention(rows={".W_pack.weight": "qkv"}),
        "baichuan-inc/Baichuan2-7B-Chat: modeling_baichuan.py",
    ),
    "bailing_moe": _documented(
        attention(groups=("num_key_value_heads",), dim=("head_dim",)),
        "inclusionAI/Ling-lite: modeling_bailing_moe.py",
    ),
    "chatglm": _documented(_chatglm, "THUDM/chatglm3-6b: modeling_chatglm.py"),
    "codeshell": _documented(
        _switched(
            "group_query_attention",
            _either(groups=("num_query_groups",), rows={".c_attn.weight": "qkv"}),
            _either(rows={".c_attn.weight": "qkv"}),
        ),
        "WisdomShell/CodeShell-7B: modeling_codeshell.py, CodeShellAttention",
    ),
    "deepseek": _documented(_GROUPED, "deepseek-ai/deepseek-moe-16b-base: modeling_deepseek.py"),
    "deepseek_vl_v2": _documented(
        _unfactored, "deepseek-ai/deepseek-vl2-tiny: modeling_deepseek.py"
    ),
    "exaone": _documented(
        attention(
            layers=("num_layers", "num_hidden_layers"),
            groups=("num_key_value_heads",),
            dim=("head_dim",),
        ),
        "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct: modeling_exaone.py",
    ),
    "gpt_neox_reward_model": _documented(
        _as_type("gpt_neox"), "the reward head on transformers' GPTNeoXModel"
    ),
    "hunyuan": _documented(
        attention(groups=("num_key_value_heads",), dim=("attention_head_dim", "head_dim")),
        "tencent/Hunyuan-A13B-Instruct: modeling_hunyuan.py",
    ),
    "internlm": _documented(attention(), "internlm/internlm-chat-7b: modeling_internlm.py"),
    "internlm2": _documented(
        _internlm2,
        "internlm/internlm2-chat-7b: modeling_internlm2.py",
    ),
    "kimi_k2": _documented(_latent, "moonshotai/Kimi-K2-Instruct: DeepseekV3ForCausalLM", "latent"),
    "kimi_vl": _text,
    "kimi_k3": _text,
    "logics": _documented(_as_type("qwen3"), "Logics-MLLM/Logics-Thinking-8B: a Qwen3 decoder"),
    "mimo": _documented(
        _flattened_qwen2, "XiaomiMiMo/MiMo-7B-RL: configuration_mimo.py, a Qwen2Config"
    ),
    "mineru2_qwen": _documented(
        _flattened_qwen2, "opendatalab/MinerU2.0-2505-0.9B: a Qwen2Config with a tower"
    ),
    "dots_ocr": _documented(
        _flattened_qwen2, "rednote-hilab/dots.ocr: configuration_dots.py, a Qwen2Config"
    ),
    "llava_mistral": _documented(
        _as_type("mistral"), "LLaVA-1.6: a MistralConfig with a tower", "sliding"
    ),
    "phi3_v": _documented(
        _as_type("phi3"),
        "microsoft/Phi-3-vision-128k-instruct: a Phi3Config with a tower",
        "sliding",
    ),
    "phi4mm": _documented(
        _as_type("phi3"),
        "microsoft/Phi-4-multimodal-instruct: configuration_phi4mm.py, after Phi3Config",
        "sliding",
    ),
    "llava_qwen": _documented(_flattened_qwen2, "LLaVA-NeXT: a Qwen2Config with a tower"),
    "minicpm": _documented(_GROUPED, "openbmb/MiniCPM-2B-sft-bf16: modeling_minicpm.py"),
    "minicpmv": _documented(
        attention(groups=("num_key_value_heads",), dim=("head_dim",)),
        "openbmb/MiniCPM-V-2_6: modeling_minicpmv.py, the decoder's keys at the top",
    ),
    "mixformer-sequential": _documented(
        _FIRST_PHI,
        "microsoft/phi-1_5: modeling_mixformer_sequential.py",
    ),
    "phi-msft": _documented(
        _FIRST_PHI,
        "microsoft/phi-2: modeling_phi.py before it came to transformers",
    ),
    "molmo": _documented(
        attention(groups=("num_key_value_heads",), rows={".att_proj.weight": "qkv"}),
        "allenai/Molmo-7B-D-0924: modeling_molmo.py",
    ),
    "moss": _documented(
        _either(rows={".qkv_proj.weight": "qkv"}),
        "fnlp/moss-moon-003-base: modeling_moss.py",
    ),
    "nemotron-nas": _documented(
        blocks,
        "nvidia/Llama-3_1-Nemotron-51B-Instruct: modeling_decilm.py",
        "full",
        "nothing",
    ),
    "openelm": _documented(
        per_layer("num_kv_heads", layers="num_transformer_layers", dim="head_dim"),
        "apple/OpenELM-1_1B: modeling_openelm.py, OpenELMMultiHeadCausalAttention",
    ),
    "PanguEmbedded": _documented(
        _GROUPED_STATED,
        "FreedomIntelligence/openPangu-Embedded-7B: modeling_openpangu_dense.py",
    ),
    "phi4-siglip": _documented(
        _as_type("phi3"), "microsoft/Phi-4-reasoning-vision-15B: a Phi3Config"
    ),
    "qwen": _documented(_qwen, "Qwen/Qwen-7B: modeling_qwen.py, QWenAttention"),
    "RefinedWeb": _documented(_refined_web, "tiiuae/falcon-40b: modelling_RW.py, _split_heads"),
    "RefinedWebModel": _documented(_refined_web, "tiiuae/falcon-7b: modelling_RW.py, _split_heads"),
    "stablelm_epoch": _documented(
        _GROUPED_STATED, "stabilityai/stable-code-3b: modeling_stablelm_epoch.py"
    ),
    "step3_text": _documented(_step3, "stepfun-ai/step3: modeling_step3.py"),
    "telechat": _documented(
        _either(
            groups=("num_key_value_heads",),
            absent_groups_are_heads=True,
            rows={".key_value.weight": "kv"},
        ),
        "Tele-AI/telechat-7B: modeling_telechat.py, TelechatAttention",
    ),
    "yuan": _documented(
        attention(beside=_local_filter),
        "IEITYuan/Yuan2-2B-hf: yuan_hf_model.py, YuanAttention",
        "full+local filter",
    ),
    "arctic": _documented(_GROUPED_STATED, "Snowflake/snowflake-arctic-base: modeling_arctic.py"),
    "bailing_moe_v2": _documented(
        attention(
            groups=("num_key_value_heads",),
            dim=("head_dim",),
            rows={".query_key_value.weight": "qkv"},
        ),
        "inclusionAI/Ling-mini-2.0: modeling_bailing_moe_v2.py",
    ),
    "deci": _documented(
        per_layer("num_key_value_heads_per_layer", layers="num_hidden_layers"),
        "Deci/DeciLM-7B: modeling_decilm.py, DeciLMAttention",
    ),
    "internlmxcomposer2": _documented(
        _internlm2, "internlm/internlm-xcomposer2-7b: modeling_internlm2.py"
    ),
    "jais": _documented(_either(), "core42/jais-13b: modeling_jais.py, JAISAttention"),
    "minicpmo": _documented(
        attention(groups=("num_key_value_heads",), dim=("head_dim",)),
        "openbmb/MiniCPM-o-2_6: modeling_minicpmo.py, the decoder's keys at the top",
    ),
    "orion": _documented(_GROUPED_STATED, "OrionStarAI/Orion-14B-Base: modeling_orion.py"),
    "skywork": _documented(_GROUPED_STATED, "Skywork/Skywork-13B-base: modeling_skywork.py"),
    "xverse": _documented(attention(), "xverse/XVERSE-13B: modeling_xverse.py"),
    "Yi": _documented(_GROUPED_STATED, "01-ai/Yi-6B: modeling_yi.py"),
    "andesvl-aimv2-qwen3": _text,
    "interns1": _text,
    "step3_vl": _text,
    "eagle_3_vl": _text,
    "locateanything": _text,
    "xgenmm": _text,
    "infimm-zephyr": _documented(
        nested("language"),
        "Infi-MM/infimm-zephyr: its cross-attention layers keep nothing",
        "by language",
    ),
    "bailingmm": _llm,
    "h2ovl_chat": _llm,
    "Llama_Nemotron_Nano_VL": _llm,
    "NemotronH_Nano_VL_V2": _llm,
    "internvl_chat": _llm,
    "NVLM_D": _llm,
    "ovis": _llm,
    "ovis2_5": _llm,
    "llava_llama": _documented(
        _either_place("llm_cfg", _as_type("llama")),
        "Efficient-Large-Model/VILA1.5-3b: the nested llm_cfg; LLaVA: a LlamaConfig itself",
        "by llm_cfg",
    ),
}
