// SPDX-License-Identifier: BSL-1.0
#pragma once

// A worker's timers: a 4-ary heap of intrusive nodes under a lock, ordered by deadline, equal ones by coming.
//
// Roles: the owning worker adds; any thread removes (a task that went on elsewhere) and any worker may fire what is
// due (the owner may be stuck in a long computation).
//
// Invariants
//   1. A node is reachable only while index != k_not_queued, under the lock. It lies in its waiter's frame, which
//      takes it out before it ends.
//   2. A waiting node is claimed under the lock, and its waiter woken after it: so a waiter that finds its node
//      gone knows that it was claimed or will not be.
//   3. A callback runs without the lock. Its node is `firing` meanwhile, and remove() waits for the end of it: after
//      remove() nobody touches the node.
//   4. next_deadline() is never later than the earliest deadline in the heap, except while the lock is held.
//
// Why a heap and not a wheel: exact deadlines in exact order (virtual time replays them), no cascades, and an
// insertion near the end of the heap costs a handful of instructions. Four children a node: half the depth, one
// or two cache lines a level.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/timer_node.hpp>
#include <coir/core/task/waiter.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coir::detail {

class timers {
public:
    timers() = default;
    timers(timers const&) = delete;
    timers& operator=(timers const&) = delete;

    /// The owner. Throws std::bad_alloc, with nothing changed; not after reserve_one().
    void add(timer_node& node, clock::time_point deadline);
    /// The owner: makes room for its next add(). Throws std::bad_alloc.
    void reserve_one();

    /// Takes the node out, if it has not fired. True if it will not fire any more and has not. Any thread.
    static bool remove(timer_node& node) noexcept {
        if (take_out(node)) {
            return true;
        }
        wait_for_callback(node);
        return false;
    }
    /// The two steps of it. The second one needs no heap.
    static bool take_out(timer_node& node) noexcept;
    static void wait_for_callback(timer_node& node) noexcept;

    /// The earliest deadline, or time_point::max(). Any thread, without the lock.
    clock::time_point next_deadline() const noexcept {
        return clock::time_point(clock::duration(next_.load(std::memory_order_relaxed)));
    }

    /// Fires everything that is due at `now`, at most `limit` of them. Returns how many. Any thread.
    std::size_t fire_due(clock::time_point now, std::size_t limit) noexcept;

    std::size_t size() const noexcept;

private:
    struct entry {
        clock::rep deadline;
        std::uint64_t sequence;
        timer_node* node;

        bool before(entry const& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence;
        }
    };

    void place(std::size_t index, entry const& e) noexcept;
    void sift_up(std::size_t index, entry const& e) noexcept;
    void sift_down(std::size_t index, entry const& e) noexcept;
    void take_out(std::size_t index) noexcept;
    void publish_next() noexcept;

    spin_mutex mutable lock_;
    std::vector<entry> heap_;
    std::uint64_t sequence_ = 0;
    std::atomic<clock::rep> next_{clock::duration::max().count()};
};

}  // namespace coir::detail
