// The table of HPACK (RFC 7541, 2.3): the fields that everybody knows, and those that the peer has had put in.
#ifndef ILUVATAR_HTTP2_HPACK_TABLE_H_
#define ILUVATAR_HTTP2_HPACK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace iluvatar::http2 {

struct FieldView {
  std::string_view name;
  std::string_view value;
};

inline constexpr uint32_t kStaticFields = 61;
// What every entry counts beside its bytes.
inline constexpr size_t kEntryOverhead = 32;

// Of one direction of a connection.
class HpackTable {
 public:
  explicit HpackTable(size_t capacity) : capacity_(capacity) {}

  // The views are valid until the next Insert or SetCapacity. False: there is no such index.
  bool Find(uint64_t index, FieldView* field) const;
  // One that is larger than the table empties it.
  void Insert(std::string_view name, std::string_view value);
  void SetCapacity(size_t capacity);
  size_t size() const { return size_; }
  size_t entries() const { return fields_.size(); }

 private:
  struct Field {
    std::string name;
    std::string value;
    size_t size() const { return name.size() + value.size() + kEntryOverhead; }
  };
  void Shrink(size_t size);

  // The newest first.
  std::deque<Field> fields_;
  size_t size_ = 0;
  size_t capacity_;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_HPACK_TABLE_H_
