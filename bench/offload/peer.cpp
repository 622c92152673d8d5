// SPDX-License-Identifier: BSL-1.0
#include "bench/offload/peer.hpp"

#include "bench/support/paired.hpp"

#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench::offload {

peer::peer(std::vector<std::string> const& command) : name_(command.front()) {
    int to[2];
    int from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
        throw std::runtime_error("no pipe");
    }
    std::vector<char*> arguments;
    for (std::string const& each : command) {
        arguments.push_back(const_cast<char*>(each.c_str()));
    }
    arguments.push_back(nullptr);
    child_ = ::fork();
    if (child_ == 0) {
        ::dup2(to[0], 0);
        ::dup2(from[1], 1);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_ = ::fdopen(to[1], "w");
    from_ = ::fdopen(from[0], "r");
}

peer::~peer() {
    std::fclose(to_);
    std::fclose(from_);
    ::waitpid(child_, nullptr, 0);
}

double peer::run(std::uint64_t calls) {
    unsigned long long total = 0;
    unsigned long long took = 0;
    if (std::fprintf(to_, "%llu\n", static_cast<unsigned long long>(calls)) < 0 || std::fflush(to_) != 0 ||
        std::fscanf(from_, "%llu %llu", &total, &took) != 2) {
        throw std::runtime_error(name_ + " does not answer");
    }
    expect_equal(total, calls, "calls");
    return static_cast<double>(took) / static_cast<double>(calls);
}

}  // namespace bench::offload
