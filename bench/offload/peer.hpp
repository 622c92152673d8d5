// SPDX-License-Identifier: BSL-1.0
#pragma once

// A competitor that is a program of its own: it reads lines with the number of calls to make, and answers each with the sum
// of their results and the nanoseconds that they took. It stays, so that its start and its warming up are not measured.

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bench::offload {

class peer {
public:
    /// Starts `command`, found as a shell finds it. Throws std::runtime_error.
    explicit peer(std::vector<std::string> const& command);
    peer(peer const&) = delete;
    peer& operator=(peer const&) = delete;
    ~peer();

    /// Has it make so many calls, and checks their sum. Returns the nanoseconds that one took.
    double run(std::uint64_t calls);

private:
    std::string const name_;
    pid_t child_ = -1;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
};

}  // namespace bench::offload
