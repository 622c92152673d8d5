// SPDX-License-Identifier: BSL-1.0
#include "bench/process_pool/process_pool.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench::process_pool {
namespace {

// Reads how many round trips are wanted, and prints the nanoseconds that one took.
constexpr char k_script[] = R"(
import sys, time
from concurrent.futures import ProcessPoolExecutor
def first_word(b):
    return int.from_bytes(b[:8], 'little')
def main():
    size = int(sys.argv[1])
    with ProcessPoolExecutor(max_workers=1) as pool:
        rest = bytes(size - 8)
        for line in sys.stdin:
            n = int(line)
            start = time.perf_counter_ns()
            for i in range(n):
                if pool.submit(first_word, i.to_bytes(8, 'little') + rest).result() != i:
                    raise SystemExit('wrong result')
            print((time.perf_counter_ns() - start) / n, flush=True)
main()
)";

struct interpreter {
    explicit interpreter(std::size_t size) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            throw wrong_result("no socket pair");
        }
        std::string const bytes = std::to_string(size);
        if (::fork() == 0) {
            ::dup2(ends[1], 0);
            ::dup2(ends[1], 1);
            ::execlp("python3", "python3", "-c", k_script, bytes.c_str(), static_cast<char*>(nullptr));
            std::_Exit(127);
        }
        ::close(ends[1]);
        // Two streams: one that is read from cannot be written to while it holds something, and a socket cannot be rewound.
        to = ::fdopen(::fcntl(ends[0], F_DUPFD_CLOEXEC, 0), "w");
        from = ::fdopen(ends[0], "r");
        if (to == nullptr || from == nullptr) {
            throw wrong_result("no stream to python3");
        }
    }
    interpreter(interpreter const&) = delete;
    interpreter& operator=(interpreter const&) = delete;
    ~interpreter() {
        std::fclose(to);
        std::fclose(from);
    }

    double slice(std::uint64_t units) {
        std::fprintf(to, "%llu\n", static_cast<unsigned long long>(units));
        std::fflush(to);
        double nanoseconds = 0;
        if (std::fscanf(from, "%lf", &nanoseconds) != 1) {
            throw wrong_result("python3 has ended");
        }
        return nanoseconds;
    }

    std::FILE* to = nullptr;
    std::FILE* from = nullptr;
};

}  // namespace

competitor python(std::size_t size) {
    if (std::system("command -v python3 >/dev/null") != 0) {
        return {};
    }
    auto const peer = std::make_shared<interpreter>(size);
    return {"Python", [peer](std::uint64_t units) { return peer->slice(units); }};
}

}  // namespace bench::process_pool
