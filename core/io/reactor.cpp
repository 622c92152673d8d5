// SPDX-License-Identifier: BSL-1.0
#include "core/io/reactor.hpp"

#include "core/base/fault.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/errno_of.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// Names no slot: slots are numbered by 32 bits.
constexpr std::uint64_t k_wake_name = std::numeric_limits<std::uint64_t>::max();

int checked(int fd, char const* what) {
    if (fd < 0) {
        throw std::system_error(errno, std::system_category(), what);
    }
    return fd;
}

timespec to_timespec(clock::duration d) noexcept {
    using namespace std::chrono;
    auto const whole = duration_cast<seconds>(d);
    return {static_cast<std::time_t>(whole.count()), static_cast<long>(duration_cast<nanoseconds>(d - whole).count())};
}

constexpr int k_interrupted = -1;  // in the place of a number of events

// epoll_pwait2 counts in nanoseconds; before Linux 5.11 there is only milliseconds, rounded up so as not to wake early.
int wait_at_most(int epoll, epoll_event* events, int capacity, clock::duration rest) noexcept {
    using namespace std::chrono;
    static std::atomic<bool> has_pwait2{true};
    if (has_pwait2.load(std::memory_order_relaxed)) {
        timespec const timeout = to_timespec(rest);
        auto const result = errno_of(&::epoll_pwait2, epoll, events, capacity, &timeout, nullptr);
        if (result.error != ENOSYS) {
            return result.value;
        }
        has_pwait2.store(false, std::memory_order_relaxed);
    }
    auto const in_milliseconds = ceil<milliseconds>(rest).count();
    constexpr auto k_longest = std::numeric_limits<int>::max();
    return errno_of(&::epoll_wait, epoll, events, capacity,
                    in_milliseconds > k_longest ? k_longest : static_cast<int>(in_milliseconds))
        .value;
}

std::size_t wake_for(epoll_event const* events, int count) noexcept {
    std::size_t dispatched = 0;
    wake_list wakes;
    for (int i = 0; i < count; ++i) {  // none after an interrupted call: count is -1
        epoll_event const& event = events[i];
        if (event.data.u64 == k_wake_name) {
            continue;
        }
        ++dispatched;
        auto const index = static_cast<std::uint32_t>(event.data.u64);
        if (fd_slot* const slot = fd_slot::find(index)) {
            slot->signal(static_cast<std::uint32_t>(event.data.u64 >> 32), event.events, wakes);
        }
    }
    wakes.wake_all();
    return dispatched;
}

}  // namespace

reactor::reactor() : events_(std::make_unique<epoll_event[]>(k_batch)) {
    epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "coir: cannot create an epoll instance for a worker");
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    // Edge-triggered and never read: each write is one event, and the counter has room for 2^64 of them.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = k_wake_name;
    if (wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
        int const error = errno;
        ::close(epoll_);
        if (wake_ >= 0) {
            ::close(wake_);
        }
        throw std::system_error(error, std::system_category(), "coir: cannot create an eventfd for a worker");
    }
}

reactor::~reactor() {
    ::close(wake_);
    ::close(epoll_);
}

syscall_result<int> reactor::control(int operation, fd_slot const& slot) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = slot.event_name();
    return errno_of(&::epoll_ctl, epoll_, operation, slot.fd(), &event);
}

void reactor::add(fd_slot& slot) {
    auto const result = COIR_FAULT(watch_no_memory) ? syscall_result<int>{-1, ENOMEM} : control(EPOLL_CTL_ADD, slot);
    if (!result) {
        throw std::system_error(result.error, std::system_category(), "coir: cannot wait for this descriptor");
    }
    if (!slot.is_quiet()) {
        expect();
    }
}

#if COIR_FAULT_POINTS
void reactor::announce_again(fd_slot const& slot) noexcept {
    control(EPOLL_CTL_MOD, slot);
}
#endif

void reactor::remove(fd_slot const& slot) noexcept {
    if (control(EPOLL_CTL_DEL, slot) && !slot.is_quiet()) {
        expect_no_more();
    }
}

void reactor::poll() noexcept {
    fetched_ =
        COIR_FAULT(poll_interrupted) ? k_interrupted : errno_of(&::epoll_wait, epoll_, events_.get(), k_batch, 0).value;
}

void reactor::wait_until(clock::time_point deadline) noexcept {
    if (COIR_FAULT(poll_interrupted)) {
        fetched_ = k_interrupted;
        return;
    }
    if (deadline == k_never) {
        fetched_ = errno_of(&::epoll_wait, epoll_, events_.get(), k_batch, -1).value;
        return;
    }
    clock::duration const rest = deadline - std::chrono::steady_clock::now();
    if (rest <= clock::duration::zero()) {
        poll();
    } else {
        fetched_ = wait_at_most(epoll_, events_.get(), k_batch, rest);
    }
}

bool reactor::wait_until_readable(clock::time_point deadline) noexcept {
    pollfd poller{epoll_, POLLIN, 0};
    return wait_for_any(&poller, 1, deadline);
}

bool reactor::wait_for_any(pollfd* pollers, std::size_t count, clock::time_point deadline) noexcept {
    if (COIR_FAULT(poll_interrupted)) {
        return false;
    }
    if (deadline == k_never) {
        return errno_of(&::ppoll, pollers, nfds_t{count}, nullptr, nullptr).value > 0;
    }
    auto const rest = std::max(deadline - std::chrono::steady_clock::now(), clock::duration::zero());
    timespec const timeout = to_timespec(rest);
    return errno_of(&::ppoll, pollers, nfds_t{count}, &timeout, nullptr).value > 0;
}

std::size_t reactor::dispatch() noexcept {
    return wake_for(events_.get(), std::exchange(fetched_, 0));
}

std::size_t reactor::poll_for_owner(epoll_event* events) noexcept {
    int const count = errno_of(&::epoll_wait, epoll_, events, k_batch, 0).value;
    // An interrupt is the owner's: it may have gone to sleep since it was found to be kept, and would not wake up.
    for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 == k_wake_name) {
            interrupt();
        }
    }
    return wake_for(events, count);
}

void reactor::interrupt() noexcept {
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = errno_of(&::write, wake_, static_cast<void const*>(&one), sizeof one);
    COIR_ASSERT(written.value == sizeof one);
}

}  // namespace coir::detail
