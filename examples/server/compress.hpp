// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>

/// `data` as a gzip file; `level` from 0 (none) to 9 (small). Computes for long, and runs in a worker process.
/// Throws std::runtime_error. To show what that is good for, data that begins with "crash!" makes it crash.
std::string gzip(std::string_view data, int level);
