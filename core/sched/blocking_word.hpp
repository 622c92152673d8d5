// SPDX-License-Identifier: BSL-1.0
#pragma once

// Who goes on with a worker whose task blocks its thread: the task, if it is back in time, or another thread.
//
// Most functions that may block return at once, and to hand a worker to another thread costs two wake-ups of threads and
// two switches. So a task that begins a blocking section leaves its worker where it is, free for the taking; somebody watches,
// and hands it over when the task has stayed away for too long.
//
// Roles
//   task     the worker's current one: begin() before it blocks, and the look whether anybody watches
//            (section_watch::must_be_woken); take_back() behind it.
//   watcher  the monitor: reads the word now and then, and calls take() when it has found it odd and the same twice.
//
// The word only counts. Even: the worker is its thread's. Odd: it is free, and whoever first adds one has it.
//
// Invariants
//   1. An odd word is made even once, by the compare-exchange of the task or by that of the watcher: one winner. As the word
//      never goes back, a task that has lost cannot win a later section of that worker, nor the watcher one
//      that it has not watched.
//   2. While the word is odd nobody touches what is the worker's own. begin() releases it and take() acquires it. take_back()
//      acquires nothing: when it wins, nobody else was there.
//   3. As long as a word stays odd, somebody watches. The task makes it odd, then reads section_watch::on_, and wakes the
//      watcher if it is out. The watcher puts it out, then reads all words, and goes on watching if one is odd. All four
//      are seq_cst: if the task has read `on` from before it was put out, the word was odd before the watcher's look.
// Hence every section either ends with its own worker, or is taken within two looks of the watcher: a worker is never lost,
// and never carried by two. This is what tests/model/section_hand_over.pml checks.
//
// Go's sysmon retakes a P from a long system call in the same way (runtime/proc.go, entersyscall and retake). Rejected: a
// light fence in the place of the exchange in begin(), with membarrier(2) for the watcher (an exchange less of two, for an
// interrupt of every core at the end of each watch); to let whoever pushes take the worker (each push would have to look
// for one).

#include <atomic>
#include <cstdint>

namespace coir::detail {

class blocking_word {
public:
    /// By the task, when all that the worker needs is in its place: it is free. Returns the section's number.
    std::uint64_t begin() noexcept {
        std::uint64_t const number = word_.load(std::memory_order_relaxed) + 1;
        word_.exchange(number, std::memory_order_seq_cst);
        return number;
    }
    /// By the task that began that section. False: another thread has the worker.
    [[nodiscard]] bool take_back(std::uint64_t number) noexcept {
        return word_.compare_exchange_strong(number, number + 1, std::memory_order_relaxed, std::memory_order_relaxed);
    }

    /// By the watcher: what to give to take(), if it is_free(). It has changed if a section has begun or ended meanwhile.
    std::uint64_t read() const noexcept { return word_.load(std::memory_order_seq_cst); }
    static bool is_free(std::uint64_t word) noexcept { return word % 2 != 0; }
    /// By the watcher. True: the worker is the caller's.
    [[nodiscard]] bool take(std::uint64_t number) noexcept {
        return word_.compare_exchange_strong(number, number + 1, std::memory_order_acquire, std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint64_t> word_{0};
};

}  // namespace coir::detail
