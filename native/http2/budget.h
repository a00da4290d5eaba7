// What a peer may do so often and no oftener: a bucket that fills again with time. For frames that cost us more than
// their sender and bring nobody anything, when they come without end.
#ifndef ILUVATAR_HTTP2_BUDGET_H_
#define ILUVATAR_HTTP2_BUDGET_H_

#include <algorithm>
#include <cstdint>

namespace iluvatar::http2 {

class Budget {
 public:
  // `most` at once, and so many more each second.
  Budget(uint32_t most, uint32_t per_second) : left_(most), most_(most), per_second_(per_second) {}

  // False: used up. Asks for the time only when it has to know.
  template <typename Clock>
  bool Take(const Clock& now_us) {
    if (left_ < 1) {
      const int64_t now = now_us();
      left_ = std::min(most_, left_ + static_cast<double>(now - looked_us_) * per_second_ / 1e6);
      looked_us_ = now;
      if (left_ < 1) return false;
    }
    left_ -= 1;
    return true;
  }

 private:
  double left_;
  double most_;
  double per_second_;
  // 0 = never: the first look fills it, once.
  int64_t looked_us_ = 0;
};

}  // namespace iluvatar::http2

#endif  // ILUVATAR_HTTP2_BUDGET_H_
