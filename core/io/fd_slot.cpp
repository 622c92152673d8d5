// SPDX-License-Identifier: BSL-1.0
#include "core/io/fd_slot.hpp"

#include "core/io/reactor.hpp"
#include "core/io/this_reactor.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/errno_of.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <system_error>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr wait_kind k_waits_for_a_descriptor{"a descriptor"};

}  // namespace

void io_readiness::signal(std::uint16_t generation, bool hung_up, wake_list& wakes) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    std::uint32_t next = 0;
    do {
        if (seen >> k_generation_shift != generation) {
            return;
        }
        next = (seen & ~k_tick_mask) | ((seen + k_one_tick) & k_tick_mask) | k_ready | (hung_up ? k_hung_up : 0);
    } while (!word_.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_relaxed));
    if ((next & k_waited) != 0) {
        COIR_FAULT_DELAY(delay_event);
        std::lock_guard const guard(lock_);
        if (word_.load(std::memory_order_relaxed) >> k_generation_shift != generation) {
            return;  // they have all left, and who stands in the list waits for another descriptor
        }
        word_.fetch_and(~k_waited, std::memory_order_relaxed);
        waiters_.claim_all(wakes);
    }
}

io_wait_result io_readiness::wait(clock::time_point deadline) {
    wait_point wait(deadline);
    wait.is_for(k_waits_for_a_descriptor);
    {
        std::lock_guard const guard(lock_);
        std::uint32_t const seen = word_.fetch_or(k_waited, std::memory_order_acq_rel);
        if ((seen & k_closed) != 0) {
            return io_wait_result::closed;
        }
        if ((seen & k_ready) != 0) {
            return io_wait_result::ready;
        }
        waiters_.push_back(wait.node);
    }
    wake_reason const reason = wait.suspend();
    if (reason != wake_reason::notified) {
        {
            std::lock_guard const guard(lock_);
            waiters_.erase(wait.node);
        }
        wait.throw_if_cancelled();
        return io_wait_result::timed_out;
    }
    return (snapshot() & k_closed) != 0 ? io_wait_result::closed : io_wait_result::ready;
}

bool io_readiness::enlist(wait_node& node) noexcept {
    std::lock_guard const guard(lock_);
    if ((word_.fetch_or(k_waited, std::memory_order_acq_rel) & (k_closed | k_ready)) != 0) {
        return false;
    }
    waiters_.push_back(node);
    return true;
}

void io_readiness::withdraw(wait_node& node) noexcept {
    std::lock_guard const guard(lock_);
    waiters_.erase(node);
}

void io_readiness::reset(std::uint16_t generation) noexcept {
    std::lock_guard const guard(lock_);
    word_.store(k_ready | std::uint32_t{generation} << k_generation_shift, std::memory_order_release);
}

void io_readiness::close(wake_list& wakes) noexcept {
    std::lock_guard const guard(lock_);
    word_.fetch_or(k_closed | k_ready, std::memory_order_acq_rel);
    waiters_.claim_all(wakes);
}

// All slots of the process, in chunks that never move.
class fd_slot_table {
public:
    fd_slot& take() {
        std::lock_guard const guard(lock_);
        if (free_ == nullptr) {
            add_chunk();
        }
        fd_slot& slot = *free_;
        free_ = slot.next_free_;
        return slot;
    }

    void give_back(fd_slot& slot) noexcept {
        std::lock_guard const guard(lock_);
        slot.next_free_ = free_;
        free_ = &slot;
    }

    // Without the lock: a poller looks up slots that its events name.
    fd_slot* find(std::uint32_t index) noexcept {
        std::uint32_t const chunk = index / k_chunk;
        if (chunk >= k_max_chunks) {
            return nullptr;
        }
        fd_slot* const slots = chunks_[chunk].load(std::memory_order_acquire);
        return slots == nullptr ? nullptr : slots + index % k_chunk;
    }

private:
    static constexpr std::uint32_t k_chunk = 1024;
    static constexpr std::uint32_t k_max_chunks = 16 * 1024;

    void add_chunk() {
        COIR_VERIFY(used_ < k_max_chunks);  // more descriptors than the kernel can open
        auto* const slots = new fd_slot[k_chunk];
        for (std::uint32_t i = k_chunk; i != 0; --i) {
            fd_slot& slot = slots[i - 1];
            slot.index_ = used_ * k_chunk + i - 1;
            slot.next_free_ = free_;
            free_ = &slot;
        }
        chunks_[used_++].store(slots, std::memory_order_release);
    }

    spin_mutex lock_;
    fd_slot* free_ = nullptr;
    std::uint32_t used_ = 0;
    std::atomic<fd_slot*> chunks_[k_max_chunks] = {};
};

namespace {

fd_slot_table& table() {
    static fd_slot_table& instance = *new fd_slot_table;
    return instance;
}

}  // namespace

fd_slot& fd_slot::open(int fd, bool quiet) {
    fd_slot& slot = table().take();
    slot.fd_ = fd;
    slot.quiet_ = quiet;
    ++slot.generation_;
    slot.read_.reset(slot.generation_);
    slot.write_.reset(slot.generation_);
    slot.registered_with_ = nullptr;
    slot.runtime_number_.store(0, std::memory_order_relaxed);
    slot.uses_.store(0, std::memory_order_release);
    return slot;
}

fd_slot* fd_slot::find(std::uint32_t index) noexcept {
    return table().find(index);
}

bool fd_slot::enter() noexcept {
    if ((uses_.fetch_add(1, std::memory_order_acquire) & k_closing) == 0) {
        return true;
    }
    exit();
    return false;
}

void fd_slot::exit() noexcept {
    if (uses_.fetch_sub(1, std::memory_order_acq_rel) == (k_closing | 1)) {
        close_now();
    }
}

void fd_slot::close() noexcept {
    // A use of its own keeps the slot in place meanwhile.
    if ((uses_.fetch_add(1, std::memory_order_acquire) & k_closing) == 0) {
        uses_.fetch_or(k_closing, std::memory_order_acq_rel);
        wake_list wakes;
        read_.close(wakes);
        write_.close(wakes);
        wakes.wake_all();
    }
    exit();
}

void fd_slot::close_now() noexcept {
    // Several may find themselves the last one (enter() of a slot that is closing): only one closes.
    std::uint32_t expected = k_closing;
    if (!uses_.compare_exchange_strong(expected, k_closing | k_closing >> 1, std::memory_order_acq_rel)) {
        return;
    }
    if (registered_with_ != nullptr) {
        // Before the close: a copy of the descriptor elsewhere would keep the registration alive.
        if_runtime_lives(
            runtime_number_.load(std::memory_order_relaxed),
            [](void* self) noexcept {
                auto const& slot = *static_cast<fd_slot*>(self);
                slot.registered_with_->remove(slot);
            },
            this);
    }
    errno_of(&::close, fd_);
    fd_ = -1;
    table().give_back(*this);
}

io_wait_result fd_slot::wait(io_direction d, clock::time_point deadline) {
    std::uint32_t const here = this_runtime_number();
    if (here == 0) {
        return poll_on_this_thread(d, deadline);
    }
    watch();
    return direction(d).wait(deadline);
}

void fd_slot::watch() {
    if (runtime_number_.load(std::memory_order_acquire) != this_runtime_number()) {
        register_with_this_worker();
    }
}

void fd_slot::expect() noexcept {
    registered_with_->expect();
}

void fd_slot::expect_no_more() noexcept {
    registered_with_->expect_no_more();
}

void fd_slot::register_with_this_worker() {
    std::lock_guard const guard(registration_lock_);
    std::uint32_t const here = this_runtime_number();
    if (runtime_number_.load(std::memory_order_relaxed) == here) {
        return;
    }
    reactor& mine = this_reactor();
    mine.add(*this);
    registered_with_ = &mine;
    runtime_number_.store(here, std::memory_order_release);
}

io_wait_result fd_slot::poll_on_this_thread(io_direction d, clock::time_point deadline) {
    pollfd entry{fd_, static_cast<short>(d == io_direction::read ? POLLIN : POLLOUT), 0};
    for (;;) {
        int timeout = -1;
        if (deadline != k_never) {
            auto const rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
            if (rest.count() <= 0) {
                timeout = 0;
            } else {
                timeout = static_cast<int>(std::min<long long>(rest.count(), 1'000'000'000));
            }
        }
        auto const result = errno_of(&::poll, &entry, nfds_t{1}, timeout);
        if (is_closing()) {
            return io_wait_result::closed;
        }
        if (result.value > 0) {
            return io_wait_result::ready;
        }
        if (result.value == 0 && timeout == 0) {
            return io_wait_result::timed_out;
        }
        if (result.value < 0 && result.error != EINTR) {
            throw std::system_error(result.error, std::system_category(), "coir: cannot wait for this descriptor");
        }
    }
}

#if COIR_FAULT_POINTS
void fd_slot::announce_again() noexcept {
    // 0: never registered, and then registering is what announces it.
    if_runtime_lives(
        runtime_number_.load(std::memory_order_acquire),
        [](void* self) noexcept {
            auto const& slot = *static_cast<fd_slot*>(self);
            slot.registered_with_->announce_again(slot);
        },
        this);
}
#endif

void fd_slot::signal(std::uint32_t generation, std::uint32_t events, wake_list& wakes) noexcept {
    auto const here = static_cast<std::uint16_t>(generation);
    bool const hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        read_.signal(here, hung_up || (events & EPOLLRDHUP) != 0, wakes);
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        write_.signal(here, hung_up, wakes);
    }
}

}  // namespace coir::detail
