// SPDX-License-Identifier: BSL-1.0
//
// Ctrl-C for coir::run: the first one cancels the main task, the second ends the process.
// The handler only counts and writes to an eventfd; a thread that exists for this alone does the rest, because cancelling
// takes locks. The previous handler comes back with the end of the run; the eventfd is closed when nobody is in this one any
// more: another thread may have been interrupted before, and the number may be somebody else's descriptor by then.
// Dekker, all seq_cst: the handler writes `inside` and reads notify_fd, the end of the run the other way round.

#include <coir/core/base/back_off.hpp>
#include <coir/core/sched/runtime.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// One run at a time can own the signal; the handler reaches it through these.
std::atomic<int> notify_fd{-1};
std::atomic<int> interrupts{0};
std::atomic<int> inside{0};  // threads in the handler

extern "C" void coir_on_sigint(int signal) {
    int const saved = errno;
    inside.fetch_add(1);
    if (interrupts.fetch_add(1) > 0) {
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    if (int const fd = notify_fd.load(); fd >= 0) {
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const written = ::write(fd, &one, sizeof one);
    }
    inside.fetch_sub(1);
    errno = saved;
}

}  // namespace

struct interrupt_handler::watcher {
    watcher() {
        fd_ = ::eventfd(0, EFD_CLOEXEC);
        if (fd_ < 0) {
            throw std::system_error(errno, std::system_category(), "coir: cannot watch for Ctrl-C");
        }
        interrupts.store(0);
        notify_fd.store(fd_);
        struct sigaction action {};
        action.sa_handler = &coir_on_sigint;
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGINT, &action, &previous_);
    }

    // What has come before lies in the descriptor.
    void start(task_ref const& target) {
        thread_ = std::thread([this, target] { watch(target); });
    }

    ~watcher() {
        ::sigaction(SIGINT, &previous_, nullptr);
        stop_.store(true);
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const written = ::write(fd_, &one, sizeof one);
        if (thread_.joinable()) {
            thread_.join();
        }
        notify_fd.store(-1);
        for (back_off wait; inside.load() != 0;) {
            wait.pause();
        }
        ::close(fd_);
    }

    void watch(task_ref const& target) {
        for (;;) {
            std::uint64_t count = 0;
            if (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
                continue;
            }
            if (stop_.load()) {
                return;
            }
            target.cancel_noexcept("interrupted by Ctrl-C");
        }
    }

    int fd_ = -1;
    std::atomic<bool> stop_{false};
    struct sigaction previous_ {};
    std::thread thread_;
};

interrupt_handler::interrupt_handler(bool wanted) : watcher_(wanted ? std::make_unique<watcher>() : nullptr) {}

void interrupt_handler::cancels(task_ref const& target) {
    if (watcher_ != nullptr) {
        watcher_->start(target);
    }
}

interrupt_handler::~interrupt_handler() = default;

}  // namespace coir::detail
