#include "http2/hpack_table.h"

#include <utility>

namespace iluvatar::http2 {

namespace {

// RFC 7541, appendix A; the first has index 1.
constexpr FieldView kStatic[] = {
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
};
static_assert(sizeof(kStatic) / sizeof(kStatic[0]) == kStaticFields);

}  // namespace

bool HpackTable::Find(uint64_t index, FieldView* field) const {
  if (index == 0) return false;
  if (index <= kStaticFields) {
    *field = kStatic[index - 1];
    return true;
  }
  const uint64_t at = index - kStaticFields - 1;
  if (at >= fields_.size()) return false;
  const Field& found = fields_[static_cast<size_t>(at)];
  *field = {found.name, found.value};
  return true;
}

void HpackTable::Insert(std::string_view name, std::string_view value) {
  // Copied first: the name may be that of an entry which has to leave.
  Field field = {std::string(name), std::string(value)};
  const size_t size = field.size();
  Shrink(size > capacity_ ? 0 : capacity_ - size);
  if (size > capacity_) return;
  size_ += size;
  fields_.push_front(std::move(field));
}

void HpackTable::SetCapacity(size_t capacity) {
  capacity_ = capacity;
  Shrink(capacity);
}

void HpackTable::Shrink(size_t size) {
  while (size_ > size) {
    size_ -= fields_.back().size();
    fields_.pop_back();
  }
}

}  // namespace iluvatar::http2
