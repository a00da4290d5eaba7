// What all test programs check with: plain, so that it works under every sanitizer and in the emulator.
#ifndef ILUVATAR_TESTING_CHECK_TEST_H_
#define ILUVATAR_TESTING_CHECK_TEST_H_

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// errno says more where the condition is about a system call, and nothing otherwise.
#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed (errno: %s)\n", __FILE__, __LINE__, #condition, \
                   std::strerror(errno));                                                           \
      std::abort();                                                                                 \
    }                                                                                               \
  } while (false)

#endif  // ILUVATAR_TESTING_CHECK_TEST_H_
