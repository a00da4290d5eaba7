// Whether bytes are text.
#ifndef ILUVATAR_HTTP2_UTF8_H_
#define ILUVATAR_HTTP2_UTF8_H_

#include <string_view>

namespace iluvatar::http2 {

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_UTF8_H_
