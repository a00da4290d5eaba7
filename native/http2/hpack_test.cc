// HPACK against the examples of RFC 7541, appendix C, and against what no encoder makes.
#include <algorithm>
#include <string>

#include "http2/http2_test.h"
#include "http2/huffman.h"

namespace iluvatar::http2 {

namespace {

std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char each : hex) {
    if (each == ' ') continue;
    digits.push_back(each);
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  CHECK(digits.empty());
  return bytes;
}

bool Decode(HpackDecoder* decoder, const std::string& block, Fields* fields) {
  // A copy of exactly this size.
  const std::vector<uint8_t> copy(block.begin(), block.end());
  FieldList list;
  const bool good = decoder->Decode(copy.data(), copy.size(), list);
  *fields = list.fields;
  return good;
}

struct Example {
  const char* hex;
  Fields fields;
  size_t table_bytes;
};

void CheckExamples(size_t table, const std::vector<Example>& examples) {
  HpackDecoder decoder(table);
  for (const Example& example : examples) {
    Fields fields;
    CHECK(Decode(&decoder, FromHex(example.hex), &fields));
    CHECK(fields == example.fields);
    CHECK(decoder.table().size() == example.table_bytes);
  }
}

const Fields kFirst = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "www.example.com"}};
const Fields kSecond = {{":method", "GET"},
                        {":scheme", "http"},
                        {":path", "/"},
                        {":authority", "www.example.com"},
                        {"cache-control", "no-cache"}};
const Fields kThird = {{":method", "GET"},
                       {":scheme", "https"},
                       {":path", "/index.html"},
                       {":authority", "www.example.com"},
                       {"custom-key", "custom-value"}};

Fields Found(const char* status) {
  return {{":status", status},
          {"cache-control", "private"},
          {"date", "Mon, 21 Oct 2013 20:13:21 GMT"},
          {"location", "https://www.example.com"}};
}
const Fields kCookie = {{":status", "200"},
                        {"cache-control", "private"},
                        {"date", "Mon, 21 Oct 2013 20:13:22 GMT"},
                        {"location", "https://www.example.com"},
                        {"content-encoding", "gzip"},
                        {"set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"}};

}  // namespace

void TestHpackExamples() {
  // C.2
  CheckExamples(
      4096,
      {{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", {{"custom-key", "custom-header"}}, 55}});
  CheckExamples(4096, {{"040c 2f73 616d 706c 652f 7061 7468", {{":path", "/sample/path"}}, 0}});
  CheckExamples(4096, {{"1008 7061 7373 776f 7264 0673 6563 7265 74", {{"password", "secret"}}, 0}});
  CheckExamples(4096, {{"82", {{":method", "GET"}}, 0}});
  // C.3
  CheckExamples(4096, {{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", kFirst, 57},
                       {"8286 84be 5808 6e6f 2d63 6163 6865", kSecond, 110},
                       {"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", kThird, 164}});
  // C.4
  CheckExamples(4096, {{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", kFirst, 57},
                       {"8286 84be 5886 a8eb 1064 9cbf", kSecond, 110},
                       {"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", kThird, 164}});
  // C.5
  CheckExamples(
      256, {{"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120"
             "474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
             Found("302"), 222},
            {"4803 3330 37c1 c0bf", Found("307"), 222},
            {"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738"
             "666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33"
             "3630 303b 2076 6572 7369 6f6e 3d31",
             kCookie, 215}});
  // C.6
  CheckExamples(
      256, {{"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718"
             "63c7 8f0b 97c8 e9ae 82ae 43d3",
             Found("302"), 222},
            {"4883 640e ffc1 c0bf", Found("307"), 222},
            {"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7"
             "b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
             kCookie, 215}});
}

void TestHpackErrors() {
  const auto good = [](std::string_view hex) {
    HpackDecoder decoder(4096);
    Fields fields;
    return Decode(&decoder, FromHex(hex), &fields);
  };
  // The index 0, one behind the tables, and one that never ends.
  CHECK(!good("80") && !good("be") && !good("ffffffffffffffffffff") && !good("ff80808080808080808001"));
  // Cut off: an integer, a name, a value.
  CHECK(!good("ff") && !good("400a 63") && !good("4001 61") && !good("4001 610a 62"));
  // Changes of the table: within what was offered, before the first field only.
  CHECK(good("3fe11f") && good("20 3fe11f 82") && !good("3fe21f") && !good("82 20"));
  // Huffman: the end symbol; padding that is not ones; a whole byte of it.
  CHECK(!good("4001 6184 ffff fffc") && !good("4001 6181 00") && !good("4001 6182 1fff"));
  CHECK(good("4001 6181 1f"));
  // An entry that is larger than the table empties it.
  HpackDecoder small(64);
  Fields fields;
  CHECK(Decode(&small, FromHex("4001 6101 62"), &fields) && small.table().entries() == 1);
  std::string large = FromHex("4001 6164");
  large += std::string(100, 'x');
  CHECK(Decode(&small, large, &fields) && small.table().entries() == 0 && fields[0].second.size() == 100);
  // A name out of the entry that has to leave for it.
  HpackDecoder tight(40);
  CHECK(Decode(&tight, FromHex("4003 616263 01 62"), &fields) && Decode(&tight, FromHex("7e01 63"), &fields));
  CHECK((fields == Fields{{"abc", "c"}}) && tight.table().entries() == 1);
}

void TestHuffman(Random* random) {
  // Whatever comes is read or refused, and within its bounds.
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes(random->Below(40));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random->Below(3) == 0 ? 0xff : random->Next());
    std::string text;
    DecodeHuffman(bytes.data(), bytes.size(), &text);
    CHECK(text.size() <= bytes.size() * 8 / 5);
  }
}

void TestEncoder(Random* random) {
  HpackEncoder encoder;
  HpackDecoder decoder(4096);
  size_t usual_bytes = 0;
  for (int round = 0; round < 2000; round++) {
    if (random->Below(50) == 0) encoder.PeerTable(random->Below(3) == 0 ? random->Below(400) : random->Below(9000));
    Fields fields;
    if (random->Below(2) == 0) fields.emplace_back(":status", random->Below(4) == 0 ? "415" : "200");
    if (random->Below(2) == 0) fields.emplace_back("content-type", "application/grpc");
    if (random->Below(2) == 0) fields.emplace_back("grpc-status", random->Below(4) == 0 ? "13" : "0");
    if (random->Below(4) == 0) fields.emplace_back("grpc-message", std::string(random->Below(300), 'x'));
    std::string block;
    encoder.Encode(Text(fields), &block);
    Fields read;
    CHECK(Decode(&decoder, block, &read) && read == fields);
    if (fields == Fields{{":status", "200"}, {"content-type", "application/grpc"}}) usual_bytes = block.size();
  }
  HpackEncoder fresh;
  std::string first;
  std::string second;
  const std::string usual = Text({{":status", "200"}, {"content-type", "application/grpc"}});
  fresh.Encode(usual, &first);
  fresh.Encode(usual, &second);
  CHECK(first.size() > 2 && second.size() == 2 && usual_bytes > 0);
}

void TestRequestHeads() {
  const Paths paths = {{"/s/m", 1}, {"/s/n", 2}};
  RequestHead head(1000);
  const auto read = [&](const Fields& fields) {
    head.Begin(false);
    for (const auto& [name, value] : fields) head.OnField(name, value);
    head.End(paths);
    return !head.malformed() && !head.too_large();
  };
  CHECK(read(CallFields("/s/n", {{"te", "trailers"}, {"user-agent", "x"}, {"grpc-timeout", "20000m"}})));
  CHECK(head.path() == 2 && head.is_grpc() && head.timeout() == 20000 && head.timeout_unit() == 'm');
  CHECK(head.rest().empty());
  CHECK(read(CallFields("/s/o", {{"x", "1"}, {"grpc-timeout", "1 S"}, {"grpc-accept-encoding", "gzip"}})));
  CHECK(head.path() == 0 && head.timeout_unit() == 0);
  CHECK(head.rest() == Text({{"x", "1"}, {"grpc-timeout", "1 S"}, {":path", "/s/o"}}));
  CHECK(read(CallFields("/s/m", {{"grpc-encoding", "gzip"}, {"grpc-accept-encoding", "gzip"}})));
  CHECK(head.rest() == Text({{"grpc-encoding", "gzip"}, {"grpc-accept-encoding", "gzip"}}));
  for (const char* value : {"123456789S", "S", "1", "1x", "-1S", ""}) {
    CHECK(read(CallFields("/s/m", {{"grpc-timeout", value}})) && head.timeout_unit() == 0 && !head.rest().empty());
  }
  // A list as long as it may be, and one that is not.
  CHECK(!read(CallFields("/s/m", {{"x", std::string(1000, 'x')}})) && head.too_large());
  const Fields wrong[] = {
      {},
      {{":method", "POST"}, {":scheme", "http"}},
      {{":method", "POST"}, {":path", "/"}},
      {{":scheme", "http"}, {":path", "/"}},
      {{":method", "POST"}, {":scheme", "http"}, {":path", ""}},
      CallFields("/s/m", {{":method", "POST"}}),
      CallFields("/s/m", {{":path", "/"}}),
      CallFields("/s/m", {{"Upper", "1"}}),
      CallFields("/s/m", {{"a b", "1"}}),
      CallFields("/s/m", {{"", "1"}}),
      CallFields("/s/m", {{"x", "a\nb"}}),
      CallFields("/s/m", {{"x", std::string("a\0b", 3)}}),
      CallFields("/s/m", {{"connection", "close"}}),
      CallFields("/s/m", {{"transfer-encoding", "chunked"}}),
      CallFields("/s/m", {{"te", "gzip"}}),
      CallFields("/s/m", {{"content-length", "1"}, {"content-length", "2"}}),
      CallFields("/s/m", {{"content-length", "-1"}}),
      {{":method", "POST"}, {":scheme", "http"}, {"x", "1"}, {":path", "/"}},
      {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":status", "200"}},
  };
  for (const Fields& fields : wrong) CHECK(!read(fields));
  head.Begin(true);
  head.OnField("x", "1");
  head.End(paths);
  CHECK(!head.malformed());
  head.OnField(":path", "/");
  CHECK(head.malformed());
}

}  // namespace iluvatar::http2
