// Creates the caches of a GGUF file that has no tensors, for the options on each line of the
// standard input: n_ctx n_batch n_ubatch n_seq unified type_k type_v swa_full flash_attn.
// Built and run by engine_llamacpp.py, which lets the constructors print their bytes.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "llama-cparams.h"
#include "llama-impl.h"
#include "llama-memory.h"
#include "llama-model-loader.h"
#include "llama-model.h"

static void log_nothing(ggml_log_level, const char *, void *) {}

static ggml_type type_named(const char * name) {
    for (int i = 0; i < GGML_TYPE_COUNT; ++i) {
        const char * known = ggml_type_name((ggml_type) i);
        if (known != nullptr && strcmp(known, name) == 0) {
            return (ggml_type) i;
        }
    }
    fprintf(stderr, "no type %s\n", name);
    exit(3);
}

// What llama_init_from_model refuses before it makes a context.
static const char * refusal(const llama_model_base & model, ggml_type k, ggml_type v, bool flash) {
    const auto & hparams = model.hparams;
    if ((hparams.is_mla() || model.arch == LLM_ARCH_DEEPSEEK4) && k != v) {
        return "one latent of one type";
    }
    if (ggml_is_quantized(v) && !flash) {
        return "quantized values need flash attention";
    }
    for (uint32_t layer = 0; flash && layer < hparams.n_layer(); ++layer) {
        if ((ggml_is_quantized(k) && hparams.n_embd_head_k(layer) % ggml_blck_size(k) != 0) ||
            (ggml_is_quantized(v) && hparams.n_embd_head_v(layer) % ggml_blck_size(v) != 0)) {
            return "blocks do not divide a head";
        }
    }
    return nullptr;
}

int main(int, char ** argv) {
    llama_log_set(log_nothing, nullptr);
    try {
        std::vector<std::string> splits;
        llama_model_loader loader(nullptr, nullptr, nullptr, argv[1], splits, nullptr,
                                  LLAMA_LOAD_MODE_NONE, false, true, true, nullptr, nullptr);
        auto * model = dynamic_cast<llama_model_base *>(
            llama_model_create(loader, llama_model_default_params()));
        model->hparams.no_alloc = true;
        model->load_hparams(loader);
        unsigned n_ctx, n_batch, n_ubatch, n_seq;
        int unified, swa_full, flash;
        char k[32], v[32];
        while (scanf("%u %u %u %u %d %31s %31s %d %d", &n_ctx, &n_batch, &n_ubatch, &n_seq, &unified,
                     k, v, &swa_full, &flash) == 9) {
            // As the constructor of llama_context does.
            llama_cparams c{};
            c.n_seq_max   = n_seq;
            c.causal_attn = model->hparams.causal_attn;
            c.n_batch     = c.causal_attn ? std::min(n_ctx, n_batch) : n_batch;
            c.n_ubatch    = std::min(c.n_batch, n_ubatch);
            c.kv_unified  = unified != 0;
            c.flash_attn  = flash != 0;
            c.n_ctx       = GGML_PAD(n_ctx, 256);
            c.n_ctx_seq   = unified ? c.n_ctx : GGML_PAD(c.n_ctx / n_seq, 256);
            c.n_ctx       = unified ? c.n_ctx : c.n_ctx_seq * n_seq;
            llama_memory_params p{};
            p.type_k   = type_named(k);
            p.type_v   = type_named(v);
            p.swa_full = swa_full != 0;
            p.ctx_type = LLAMA_CONTEXT_TYPE_DEFAULT;
            printf("CONTEXT %u %u\n", c.n_ctx, c.n_ctx_seq);
            if (const char * why = refusal(*model, p.type_k, p.type_v, c.flash_attn)) {
                printf("ERROR %s\n", why);
            } else {
                auto * memory = model->create_memory(p, c);
                printf(memory == nullptr ? "ERROR no memory\n" : "DONE\n");
                delete memory;
            }
            fflush(stdout);
        }
    } catch (const std::exception & error) {
        printf("ERROR %s\n", error.what());
    }
    return 0;
}
