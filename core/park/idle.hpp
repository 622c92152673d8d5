// SPDX-License-Identifier: BSL-1.0
#pragma once

// Who searches for work, who sleeps, who is woken: for up to 1,024 workers.
//
// The problem: a producer makes work visible and looks for a sleeper to wake; a worker finds nothing, says that it
// sleeps, and blocks. If both look too early, the work lies there and nobody comes. And the other way round: waking a
// worker costs a system call and a few microseconds, so a burst of pushes must not wake everybody.
//
// Roles
//   producer  whoever has pushed: calls choose_sleeper_to_wake() after the push, and wakes the worker that it names.
//   searcher  a worker that has nothing to run and looks for something: others' deques, the injector.
//   sleeper   a worker that has announced to block (in its poll) and has not been claimed since.
//   A worker that runs tasks is none of them.
//
// State
//   word_      two 32-bit counters: searchers (high half) and sleepers (low half).
//   workers_   two bits for each worker: awake, asleep, chosen (by a producer, and counted as a searcher by it),
//              claimed (by claim() or claim_any_sleeper(), and not counted).
//
// Protocol
//   producer   push; fence P; read word_; if nobody searches and somebody sleeps: turn one asleep worker to chosen;
//              searchers + 1, sleepers - 1; then wake it.
//   searcher   searchers + 1 (only while fewer than half of the workers search); look everywhere.
//              Found something: searchers - 1; the last one: fence S; looks at every queue once more, and acts as a
//              producer does if there is something.
//   parker     sleepers + 1, and searchers - 1 if it was one; turn itself to asleep; fence W; read word_.
//              Nobody searches: look at every queue once more. Somebody searches: look at its own things only
//              (inbox, timers, shutdown flag). Found something: back out; else block.
//   woken      turn itself to awake; what it was before tells who woke it.
//
// Invariants
//   1. A worker that is asleep is counted: sleepers + 1 comes before asleep, sleepers - 1 after chosen, claimed or
//      awake (release on the way in, acquire on the way out: so also in the modification order of word_). So a read
//      of word_ that shows no sleepers has seen each earlier sleeper claimed.
//   2. The count of searchers never exceeds their number. It may be less for a moment: a chosen worker can be up and
//      stop searching before its chooser has counted it, and the count then passes through -1.
//   3. Whoever is chosen or claimed is woken by its claimer.
//
// Proof that nobody sleeps over a pushed item. A look at the queues sees the item (or that it was taken) if a seq_cst
// fence that comes after P in the order of all such fences precedes the look.
//   Lemma. If the producer's read of word_ (or of a worker's bits) does not see some change of it, then P precedes
//   the next fence of the author of that change.
//   a. The producer read searchers >= 1. Take the first change behind what it read that makes the count 0, and its
//      author L. If L found something, it looks at every queue behind its fence S, which P precedes by the lemma. If
//      the item is there still, L acts as a producer: it chooses somebody, and (b) holds, or (a) or (c) holds for its
//      read. If L parks, P precedes L's fence W, behind which it looks at every queue, unless it reads that somebody
//      searches again: then (a) holds for that read.
//   b. The producer chose S. S will wake up and stop searching some time; that change comes behind what the producer
//      read, as the choice happens in between. If S then finds the count at 1 or less, it does as L in (a); if not,
//      the count is still 1 or more, and (a) holds from there on.
//   c. The producer read searchers <= 0 and no sleepers, or found none asleep. Let X be a worker that blocks for good.
//      X was not asleep when the producer read: it became so by a change that the producer has not seen (with the
//      counter by invariant 1, else with X's bits). By the lemma P precedes X's fence W, behind which X looks at every
//      queue, unless it reads that somebody searches: then (a) holds for that read.
// So as long as the item is there, somebody is up who will still look; or all workers are up and run tasks, and the
// first to run out of them will look. This is what tests/model/idle_wake_model.cpp and park_wake.pml check.
//
// That the last searcher to find something wakes another is what keeps a burst from being served by one worker:
// each newly woken one wakes the next as soon as it has found something, until there is nothing left to find.
//
// With one worker nobody else could be chosen: a worker without peers need not ask after a push of its own.
//
// Rejected: a list of sleepers under a lock (Tokio's; every push by a worker would then contend for the line of the
// lock); counting a chosen worker only when it is up (all producers until then wake another one each); bits alone
// without the counters (1,024 workers are 32 words to read after every push); an asymmetric fence with membarrier in
// the parker, which would take the fence out of every push: open, to be measured (2-3 µs for each park).
//
// ThreadSanitizer: see core/base/atomic.hpp. There P and W are additions of 0 to word_, which order by themselves.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace coir::detail {

class idle {
public:
    static constexpr std::size_t k_max_workers = 1024;
    static constexpr int k_nobody = -1;

    /// 1 to k_max_workers, all of them awake and not searching.
    explicit idle(std::size_t workers);

    idle(idle const&) = delete;
    idle& operator=(idle const&) = delete;

    // --- producers: any thread, after the push ---------------------------------------------------------------------

    /// The worker that the caller must wake now (it counts as a searcher from here on), or k_nobody.
    [[nodiscard]] int choose_sleeper_to_wake() noexcept {
        std::uint64_t const word = load_after_full_fence(  // P, partner W
            word_, COIR_MODEL_WEAKEN(idle_producer, memory_order_seq_cst, memory_order_relaxed));
        if (searchers_in(word) > 0 || sleepers_in(word) == 0) [[likely]] {
            return k_nobody;
        }
        return choose();
    }

    /// Any sleeper, whoever searches: for a shutdown. The caller must wake it; it does not count as a searcher.
    [[nodiscard]] int claim_any_sleeper() noexcept;

    /// That very worker, if it sleeps: for a message to it, which the caller has made visible before. True: the caller
    /// must wake it; it does not count as a searcher. False: it is awake, or woken by somebody else, or will see the
    /// message when it looks at its own things before it blocks.
    [[nodiscard]] bool claim(std::size_t worker) noexcept;

    /// A glance without a fence: for statistics, and for skipping work that only serves sleepers.
    bool anybody_sleeps() const noexcept { return sleepers_in(word_.load(memory_order_relaxed)) != 0; }
    std::size_t sleepers() const noexcept { return sleepers_in(word_.load(memory_order_relaxed)); }
    std::size_t searchers() const noexcept {
        auto const count = searchers_in(word_.load(memory_order_relaxed));
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

    // --- workers: each for itself ----------------------------------------------------------------------------------

    /// May this worker search? True: it counts as a searcher until stop_searching() or prepare_to_park().
    /// False: half of the workers (at least one) search already; park without searching.
    [[nodiscard]] bool try_start_searching() noexcept;

    /// A searcher has found something. True if no other is counted: then it must look at every queue, and call
    /// choose_sleeper_to_wake() if there is something.
    [[nodiscard]] bool stop_searching() noexcept {
        // Relaxed: the fence is what orders.
        bool const last = searchers_in(word_.fetch_sub(k_one_searcher, memory_order_relaxed)) <=
                          COIR_MODEL_WEAKEN(idle_last_searcher, 1, -9);
        if (last) {
            static_cast<void>(load_after_full_fence(  // S, partner P
                word_, COIR_MODEL_WEAKEN(idle_searcher, memory_order_seq_cst, memory_order_relaxed)));
        }
        return last;
    }

    /// Announces that this worker is about to block. Afterwards it looks at its own things; and, if this returned true,
    /// at every queue. Then it blocks and calls leave_park(), or it calls cancel_park() or leave_park() at once.
    [[nodiscard]] bool prepare_to_park(std::size_t worker, bool was_searching) noexcept;

    /// Backs out because a queue holds something: the worker counts as a searcher now. (It may have been chosen
    /// or claimed in between; then a wake-up is on its way and will end some later block for nothing.)
    void cancel_park(std::size_t worker) noexcept;

    /// Awake again, for whatever reason. True if a producer chose this worker: then it counts as a searcher now.
    [[nodiscard]] bool leave_park(std::size_t worker) noexcept;

private:
    // What the two bits of a worker say.
    static constexpr std::uint64_t k_awake = 0;
    static constexpr std::uint64_t k_asleep = 1;
    static constexpr std::uint64_t k_chosen = 2;
    static constexpr std::uint64_t k_claimed = 3;
    static constexpr std::uint64_t k_low_bits = 0x5555'5555'5555'5555;  // the low one of each pair
    static constexpr std::size_t k_workers_per_word = 32;

    // searchers stand in the high half, where the borrow of invariant 2 goes nowhere.
    static constexpr std::uint64_t k_one_sleeper = 1;
    static constexpr std::uint64_t k_one_searcher = std::uint64_t{1} << 32;

    static std::int32_t searchers_in(std::uint64_t word) noexcept { return static_cast<std::int32_t>(word >> 32); }
    static std::uint32_t sleepers_in(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }

    int choose() noexcept;
    int turn_any_sleeper_to(std::uint64_t state) noexcept;
    bool turn_sleeper_to(std::size_t worker, std::uint64_t state) noexcept;
    std::uint64_t turn_self_to_awake(std::size_t worker) noexcept;

    std::int32_t const max_searchers_;
    std::vector<atomic<std::uint64_t>> workers_;

    // Read after every push, so not on the line of anything else that changes.
    alignas(k_false_sharing_range) atomic<std::uint64_t> word_{0};
};

}  // namespace coir::detail
