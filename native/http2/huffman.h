// The Huffman code of HPACK (RFC 7541, appendix B), as far as a server needs it: reading.
#ifndef ILUVATAR_HTTP2_HUFFMAN_H_
#define ILUVATAR_HTTP2_HUFFMAN_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace iluvatar::http2 {

// Appends the text to `out`: at most 8/5 of `size`. False for what no encoder makes: the end symbol, padding of a whole
// byte, or padding that is not ones.
bool DecodeHuffman(const uint8_t* data, size_t size, std::string* out);

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_HUFFMAN_H_
