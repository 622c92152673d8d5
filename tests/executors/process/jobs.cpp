// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/jobs.hpp"

#include "executors/process/frame_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

namespace coir::test {
namespace {

void put(void const* data, std::size_t size) {
    [[maybe_unused]] auto const written = ::write(detail::k_worker_channel, data, size);
}

void put_header(detail::frame_kind kind, std::uint64_t job, std::uint64_t size) {
    std::array<std::byte, detail::k_frame_header_size> header;
    detail::write_header(header, {kind, job, size});
    put(header.data(), header.size());
}

// Not a tail call, and nothing to be optimised away.
__attribute__((noinline)) int descend(int depth) {
    char volatile frame[4096];
    frame[depth % 4096] = static_cast<char>(depth);
    int const below = depth < (1 << 30) ? descend(depth + 1) : 0;
    return below + frame[(depth + 1) % 4096];
}

}  // namespace

int die_of_kill(int) {
    ::kill(::getpid(), SIGKILL);
    return 0;
}

int die_of_segv(int) {
    int volatile* volatile nowhere = nullptr;
    return *nowhere;
}

int die_of_abort(int) {
    std::abort();
}

int die_of_exit(int) {
    std::_Exit(3);
}

int die_of_recursion(int) {
    return descend(0);
}

int die_of_memory(int) {
    constexpr std::size_t k_step = 1 << 20;
    if (k_sanitized) {
        // A sanitizer's allocator that gets no memory does not throw, and AddressSanitizer's may hang in its report.
        std::vector<void*> all;
        all.reserve(1 << 20);
        for (;;) {
            void* const more = ::mmap(nullptr, k_step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED) {
                break;
            }
            all.push_back(more);
        }
        for (void* const each : all) {
            ::munmap(each, k_step);
        }
        throw std::bad_alloc();
    }
    std::vector<char*> all;
    for (;;) {
        char* const more = new char[k_step];
        std::memset(more, 1, k_step);
        all.push_back(more);
    }
}

int write_garbage(int) {
    std::array<char, 4096> garbage;
    garbage.fill('g');
    put(garbage.data(), garbage.size());
    stay();
    return 0;
}

int write_endless_frame(int job) {
    put_header(detail::frame_kind::value, static_cast<std::uint64_t>(job), std::uint64_t{1} << 63);
    stay();
    return 0;
}

int write_a_lie(int job) {
    std::uint64_t const size = std::uint64_t{1} << 62;
    put_header(detail::frame_kind::value, static_cast<std::uint64_t>(job), sizeof size);
    put(&size, sizeof size);
    stay();
    return 0;
}

int answer_and_write_garbage(int job) {
    int const answer = 5;
    put_header(detail::frame_kind::value, static_cast<std::uint64_t>(job), sizeof answer);
    put(&answer, sizeof answer);
    pollfd next{detail::k_worker_channel, POLLIN, 0};
    while (::poll(&next, 1, -1) < 1) {
    }
    return write_garbage(0);
}

int write_start_failures(int) {
    std::array<std::byte, 2 + sizeof(std::uint64_t)> const exception{};  // a std::exception without a text
    for (;;) {
        put_header(detail::frame_kind::start_failed, 0, exception.size());
        put(exception.data(), exception.size());
    }
}

int claim_overflows(int job) {
    for (;;) {
        put_header(detail::frame_kind::overflow, static_cast<std::uint64_t>(job), 0);
    }
}

int leave_a_child() {
    int const child = ::fork();
    if (child == 0) {
        stay();
    }
    return child;
}

int close_everything(int) {
    for (int fd = 0; fd < 10; ++fd) {
        ::close(fd);
    }
    stay();
    return 0;
}

void stay() {
    for (;;) {
        ::pause();
    }
}

void stay_until(std::string const& path) {
    while (!std::filesystem::exists(path)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

int own_number() {
    return ::getpid();
}

int fail_the_test() {
    ::kill(::getppid(), SIGKILL);
    return 0;
}

bool is_alive(int number) {
    std::FILE* const file = std::fopen(("/proc/" + std::to_string(number) + "/stat").c_str(), "r");
    if (file == nullptr) {
        return false;
    }
    char state = '?';
    bool const read = std::fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    std::fclose(file);
    return read && state != 'Z' && state != 'X';
}

std::uint64_t mix(std::uint64_t x) {
    for (int i = 0; i < 1000; ++i) {
        x = (x ^ (x >> 33)) * 0xff51'afd7'ed55'8ccd;
    }
    return x;
}

}  // namespace coir::test
