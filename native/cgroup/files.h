// Reading and writing the small text files of a cgroup directory.
#ifndef ILUVATAR_CGROUP_FILES_H_
#define ILUVATAR_CGROUP_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "system/status.h"

namespace iluvatar::cgroup {

// One write(2): the kernel takes a value whole or not at all.
system::Status WriteFile(const std::string& path, std::string_view text);

// Whole file; at most 1 MiB.
system::Status ReadFile(const std::string& path, std::string* text);

bool Exists(const std::string& path);

// The folder that holds it; empty for a name of one part.
std::string ParentOf(const std::string& path);

// The number that a text begins with; nothing when it begins otherwise.
std::optional<uint64_t> ParseNumber(std::string_view text);

// First number of a file; nothing when it is missing, "max", or no number.
std::optional<uint64_t> ReadNumber(const std::string& path);

// Value of the line "key value" in `text`; nothing when there is none.
std::optional<uint64_t> FindKey(std::string_view text, std::string_view key);

}  // namespace iluvatar::cgroup

#endif  // ILUVATAR_CGROUP_FILES_H_
