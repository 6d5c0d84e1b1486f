"""A model of one small layer with random weights and the tokenizer of another: a fast llama.cpp server that talks
nonsense. Called by scripts/llama-cpp.sh: TOKENIZER_FROM.gguf OUT.gguf"""

import sys

import gguf
import numpy

WIDTH, HEADS, HIDDEN = 64, 2, 128
source = gguf.GGUFReader(sys.argv[1])
out = gguf.GGUFWriter(sys.argv[2], "llama")
words = 0
for key, field in source.fields.items():
    # The shape is ours; the rest (tokenizer, template) is copied.
    if not key.startswith("tokenizer."):
        continue
    value = field.contents()
    if key == "tokenizer.ggml.tokens":
        words = len(value)
    kind = field.types[0]
    out.add_key_value(key, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
out.add_context_length(8192)
out.add_layer_norm_rms_eps(1e-5)
out.add_rope_freq_base(100000.0)
out.add_block_count(1)
out.add_embedding_length(WIDTH)
out.add_feed_forward_length(HIDDEN)
out.add_head_count(HEADS)
out.add_head_count_kv(HEADS)
out.add_rope_dimension_count(WIDTH // HEADS)
out.add_vocab_size(words)
random = numpy.random.default_rng(1)


def weights(rows, columns, scale=0.5):
    return (random.standard_normal((rows, columns)) * scale / numpy.sqrt(columns)).astype(numpy.float32)


def ones():
    return numpy.ones(WIDTH, numpy.float32)


out.add_tensor("token_embd.weight", weights(words, WIDTH, 4.0))
out.add_tensor("output_norm.weight", ones())
for name in ("attn_norm", "ffn_norm"):
    out.add_tensor(f"blk.0.{name}.weight", ones())
for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
    out.add_tensor(f"blk.0.{name}.weight", weights(WIDTH, WIDTH))
out.add_tensor("blk.0.ffn_gate.weight", weights(HIDDEN, WIDTH))
out.add_tensor("blk.0.ffn_up.weight", weights(HIDDEN, WIDTH))
out.add_tensor("blk.0.ffn_down.weight", weights(WIDTH, HIDDEN))
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
