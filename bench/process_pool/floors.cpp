// SPDX-License-Identifier: BSL-1.0
#include "bench/process_pool/process_pool.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <csignal>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench::process_pool {
namespace {

void whole(ssize_t (*move)(int, void*, std::size_t), int fd, void* data, std::size_t size) {
    auto* at = static_cast<char*>(data);
    while (size > 0) {
        ssize_t const moved = move(fd, at, size);
        if (moved <= 0) {
            throw wrong_result("the socket pair has closed");
        }
        at += moved;
        size -= static_cast<std::size_t>(moved);
    }
}

ssize_t write_some(int fd, void* data, std::size_t size) {
    return ::write(fd, data, size);
}

// Made before the program has threads.
struct echo_process {
    explicit echo_process(std::size_t message) : out(message), size(message) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            throw wrong_result("no socket pair");
        }
        if (::fork() == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::close(ends[0]);
            serve(ends[1]);
        }
        ::close(ends[1]);
        fd = ends[0];
    }
    echo_process(echo_process const&) = delete;
    echo_process& operator=(echo_process const&) = delete;
    ~echo_process() { ::close(fd); }

    [[noreturn]] void serve(int their_fd) {
        try {
            for (;;) {
                whole(&::read, their_fd, out.data(), out.size());
                std::uint64_t answer = 0;
                std::memcpy(&answer, out.data(), sizeof answer);
                whole(&write_some, their_fd, &answer, sizeof answer);
            }
        } catch (wrong_result const&) {
            std::_Exit(0);
        }
    }

    double slice(std::uint64_t units) {
        stopwatch const watch;
        for (std::uint64_t i = 0; i < units; ++i) {
            std::memcpy(out.data(), &i, sizeof i);
            whole(&write_some, fd, out.data(), out.size());
            std::uint64_t answer = 0;
            whole(&::read, fd, &answer, sizeof answer);
            expect_equal(answer, i, "the echo");
        }
        return watch.nanoseconds() / static_cast<double>(units);
    }

    std::vector<char> out;
    std::size_t size;
    int fd = -1;
};

}  // namespace

competitor bare_socket_pair(std::size_t size) {
    auto const peer = std::make_shared<echo_process>(size);
    return {"socket pair", [peer](std::uint64_t units) { return peer->slice(units); }};
}

competitor copy_in_memory(std::size_t size) {
    auto const from = std::make_shared<std::vector<char>>(size, 'x');
    auto const to = std::make_shared<std::vector<char>>(size);
    return {"memcpy", [from, to](std::uint64_t units) {
                stopwatch const watch;
                for (std::uint64_t i = 0; i < units; ++i) {
                    std::memcpy(from->data(), &i, sizeof i);
                    std::memcpy(to->data(), from->data(), from->size());
                    std::uint64_t sum = 0;
                    for (std::size_t at = 0; at < to->size(); at += 4096) {
                        sum += static_cast<unsigned char>((*to)[at]);
                    }
                    std::uint64_t got = 0;
                    std::memcpy(&got, to->data(), sizeof got);
                    expect_equal(got, i, "the copy");
                    expect_equal(sum > 0 || to->size() <= 4096 ? 1 : 0, 1, "the pages");
                }
                return watch.nanoseconds() / static_cast<double>(units);
            }};
}

}  // namespace bench::process_pool
