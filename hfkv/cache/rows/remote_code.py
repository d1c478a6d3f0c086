"""Architectures whose code stands in their repositories: ``documented``, from what it does.

No code from a repository is ever run: each row names where its rule is published, and the
checkpoint's own shapes must agree with it.
"""

from __future__ import annotations

from functools import partial

from hfkv.cache.geometry import repeated
from hfkv.cache.kinds import Full, Kind, State, StatePart
from hfkv.cache.layered import PlanFunction
from hfkv.cache.plan import Plan
from hfkv.cache.remote_attention import attention, blocks, nothing_else, per_layer
from hfkv.cache.row import Delegated, Row, Rule, inside, of_type, table
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
    if config.peek("attention_projection_size") is not None:
        raise UnsupportedError(
            "attention is not as wide as the hidden size",
            where=config.place("attention_projection_size"),
        )
    return State(parts=(StatePart("hidden", (2, config.int("hidden_size"))),), name="local filter")


def _unfactored(config: Config) -> Plan | Delegated:
    """DeepSeek-V2's code with ``use_mla`` off: plain multi-head attention."""
    inner = config.nested("language_config", model_type="deepseek_v2")
    if inner.stated("use_mla") is False:
        return attention(
            groups=("num_key_value_heads",), absent_groups_are_heads=True, known=("use_mla",)
        )(inner)
    if inner.peek("kv_lora_rank") is None:
        raise ConfigError(
            f"found {describe(inner.peek('use_mla'))}",
            where=inner.place("use_mla"),
            expected="false, or a kv_lora_rank",
        )
    return of_type(inner, "deepseek_v2")


def _switched(flag: str, on: PlanFunction, off: PlanFunction) -> PlanFunction:
    """One plan where ``flag`` is set, another where it is not."""
    return lambda config: (on if config.bool(flag) else off)(config)


def _vila(config: Config) -> Delegated:
    """VILA's nested ``llm_cfg`` where the file has one; LLaVA's file is a LlamaConfig itself."""
    if config.states("llm_cfg"):
        return inside(config, "llm_cfg")
    return of_type(config, "llama", _GEOMETRY)


def _step3(config: Config) -> Plan:
    """Step3's multi-matrix factorized attention: ``num_attention_groups`` key/value heads."""
    if config.peek("use_mfa") is False:
        raise UnsupportedError("attention without factors", where=config.place("use_mfa"))
    return attention(groups=("num_attention_groups",), dim=("head_dim",))(config)


#: What the file itself must say of a class derived from one of transformers. Where it does not, it
#: stands elsewhere in it, and the defaults would be of another model.
_GEOMETRY = ("num_hidden_layers", "num_attention_heads", "hidden_size")


def _documented(name: str, rule: Rule, source: str, *kinds: str) -> tuple[str, Row]:
    return name, Row(rule, basis="documented", source=source, kinds=kinds or ("full",))


def _like(name: str, model_type: str, source: str, kind: str = "full") -> tuple[str, Row]:
    """A class derived from one of transformers, whose defaults and plan it keeps."""
    return name, Row(
        as_type=model_type,
        requires=_GEOMETRY,
        basis="documented",
        source=source,
        kinds=(kind,),
    )


def _inner(names: str, key: str, source: str = "") -> tuple[str, Row]:
    """A decoder in a nested config of a type of its own."""
    return names, Row(
        inner=key,
        basis="documented",
        source=source or f"the nested {key}'s own type; the tower adds no cache",
        kinds=(f"by {key}",),
    )


_internlm2 = attention(
    groups=("num_key_value_heads",),
    absent_groups_are_heads=True,
    rows={".wqkv.weight": "qkv"},
)

ROWS: dict[str, Row] = table(
    _inner(
        """kimi_vl kimi_k3 andesvl-aimv2-qwen3 interns1 step3_vl eagle_3_vl locateanything
        xgenmm""",
        "text_config",
    ),
    _inner(
        """bailingmm h2ovl_chat Llama_Nemotron_Nano_VL NemotronH_Nano_VL_V2 internvl_chat NVLM_D
        ovis ovis2_5""",
        "llm_config",
    ),
    _documented("aquila", _GROUPED, "BAAI/AquilaChat2-34B: modeling_aquila.py"),
    _documented(
        "baichuan",
        attention(rows={".W_pack.weight": "qkv"}),
        "baichuan-inc/Baichuan2-7B-Chat: modeling_baichuan.py",
    ),
    _documented("bailing_moe", _GROUPED_DIM, "inclusionAI/Ling-lite: modeling_bailing_moe.py"),
    _documented("chatglm", _chatglm, "THUDM/chatglm3-6b: modeling_chatglm.py"),
    _documented(
        "codeshell",
        _switched(
            "group_query_attention",
            _either(groups=("num_query_groups",), rows={".c_attn.weight": "qkv"}),
            _either(rows={".c_attn.weight": "qkv"}),
        ),
        "WisdomShell/CodeShell-7B: modeling_codeshell.py, CodeShellAttention",
    ),
    _documented("deepseek", _GROUPED, "deepseek-ai/deepseek-moe-16b-base: modeling_deepseek.py"),
    _documented(
        "deepseek_vl_v2", _unfactored, "deepseek-ai/deepseek-vl2-tiny: modeling_deepseek.py"
    ),
    _like("gpt_neox_reward_model", "gpt_neox", "the reward head on transformers' GPTNeoXModel"),
    _documented(
        "hunyuan",
        attention(groups=("num_key_value_heads",), dim=("attention_head_dim", "head_dim")),
        "tencent/Hunyuan-A13B-Instruct: modeling_hunyuan.py",
    ),
    _documented("internlm", attention(), "internlm/internlm-chat-7b: modeling_internlm.py"),
    _documented("internlm2", _internlm2, "internlm/internlm2-chat-7b: modeling_internlm2.py"),
    (
        "kimi_k2",
        Row(
            as_type="deepseek_v3",
            note="counted as transformers holds it for deepseek_v3, as the latent and the rotary "
            "key; the repository's own code may expand it to full keys and values",
            basis="documented",
            source="moonshotai/Kimi-K2-Instruct: DeepseekV3ForCausalLM",
            kinds=("latent",),
        ),
    ),
    _like("logics", "qwen3", "Logics-MLLM/Logics-Thinking-8B: a Qwen3 decoder"),
    _like("mimo", "qwen2", "XiaomiMiMo/MiMo-7B-RL: configuration_mimo.py, a Qwen2Config"),
    _like("mineru2_qwen", "qwen2", "opendatalab/MinerU2.0-2505-0.9B: a Qwen2Config with a tower"),
    _like("dots_ocr", "qwen2", "rednote-hilab/dots.ocr: configuration_dots.py, a Qwen2Config"),
    _like("llava_mistral", "mistral", "LLaVA-1.6: a MistralConfig with a tower", "sliding"),
    _like(
        "phi3_v",
        "phi3",
        "microsoft/Phi-3-vision-128k-instruct: a Phi3Config with a tower",
        "sliding",
    ),
    _like(
        "phi4mm",
        "phi3",
        "microsoft/Phi-4-multimodal-instruct: configuration_phi4mm.py, after Phi3Config",
        "sliding",
    ),
    _like("llava_qwen", "qwen2", "LLaVA-NeXT: a Qwen2Config with a tower"),
    _documented("minicpm", _GROUPED, "openbmb/MiniCPM-2B-sft-bf16: modeling_minicpm.py"),
    _documented(
        "minicpmv",
        _GROUPED_DIM,
        "openbmb/MiniCPM-V-2_6: modeling_minicpmv.py, the decoder's keys at the top",
    ),
    _documented(
        "mixformer-sequential", _FIRST_PHI, "microsoft/phi-1_5: modeling_mixformer_sequential.py"
    ),
    _documented(
        "phi-msft", _FIRST_PHI, "microsoft/phi-2: modeling_phi.py before it came to transformers"
    ),
    _documented(
        "molmo",
        attention(groups=("num_key_value_heads",), rows={".att_proj.weight": "qkv"}),
        "allenai/Molmo-7B-D-0924: modeling_molmo.py",
    ),
    _documented(
        "moss",
        _either(rows={".qkv_proj.weight": "qkv"}),
        "fnlp/moss-moon-003-base: modeling_moss.py",
    ),
    _documented(
        "nemotron-nas",
        blocks,
        "nvidia/Llama-3_1-Nemotron-51B-Instruct: modeling_decilm.py",
        "full",
        "nothing",
    ),
    _documented(
        "openelm",
        per_layer("num_kv_heads", layers="num_transformer_layers", dim="head_dim"),
        "apple/OpenELM-1_1B: modeling_openelm.py, OpenELMMultiHeadCausalAttention",
    ),
    _documented(
        "PanguEmbedded",
        _GROUPED_STATED,
        "FreedomIntelligence/openPangu-Embedded-7B: modeling_openpangu_dense.py",
    ),
    _like("phi4-siglip", "phi3", "microsoft/Phi-4-reasoning-vision-15B: a Phi3Config"),
    _documented("qwen", _qwen, "Qwen/Qwen-7B: modeling_qwen.py, QWenAttention"),
    _documented("RefinedWeb", _refined_web, "tiiuae/falcon-40b: modelling_RW.py, _split_heads"),
    _documented("RefinedWebModel", _refined_web, "tiiuae/falcon-7b: modelling_RW.py, _split_heads"),
    _documented(
        "stablelm_epoch", _GROUPED_STATED, "stabilityai/stable-code-3b: modeling_stablelm_epoch.py"
    ),
    _documented("step3_text", _step3, "stepfun-ai/step3: modeling_step3.py"),
    _documented(
        "telechat",
        _either(
            groups=("num_key_value_heads",),
            absent_groups_are_heads=True,
            rows={".key_value.weight": "kv"},
        ),
        "Tele-AI/telechat-7B: modeling_telechat.py, TelechatAttention",
    ),
    _documented(
        "yuan",
        attention(beside=_local_filter),
        "IEITYuan/Yuan2-2B-hf: yuan_hf_model.py, YuanAttention",
        "full+local filter",
    ),
    _documented("arctic", _GROUPED_STATED, "Snowflake/snowflake-arctic-base: modeling_arctic.py"),
    _documented(
        "bailing_moe_v2",
        attention(
            groups=("num_key_value_heads",),
            dim=("head_dim",),
            rows={".query_key_value.weight": "qkv"},
        ),
        "inclusionAI/Ling-mini-2.0: modeling_bailing_moe_v2.py",
    ),
    _documented(
        "deci",
        per_layer("num_key_value_heads_per_layer", layers="num_hidden_layers"),
        "Deci/DeciLM-7B: modeling_decilm.py, DeciLMAttention",
    ),
    _documented(
        "internlmxcomposer2", _internlm2, "internlm/internlm-xcomposer2-7b: modeling_internlm2.py"
    ),
    _documented("jais", _either(), "core42/jais-13b: modeling_jais.py, JAISAttention"),
    _documented(
        "minicpmo",
        _GROUPED_DIM,
        "openbmb/MiniCPM-o-2_6: modeling_minicpmo.py, the decoder's keys at the top",
    ),
    _documented("orion", _GROUPED_STATED, "OrionStarAI/Orion-14B-Base: modeling_orion.py"),
    _documented("skywork", _GROUPED_STATED, "Skywork/Skywork-13B-base: modeling_skywork.py"),
    _documented("xverse", attention(), "xverse/XVERSE-13B: modeling_xverse.py"),
    _documented("Yi", _GROUPED_STATED, "01-ai/Yi-6B: modeling_yi.py"),
    _inner(
        "infimm-zephyr",
        "language",
        "Infi-MM/infimm-zephyr: its cross-attention layers keep nothing",
    ),
    _documented(
        "llava_llama",
        _vila,
        "Efficient-Large-Model/VILA1.5-3b: the nested llm_cfg; LLaVA: a LlamaConfig itself",
        "by llm_cfg",
    ),
)
