// SPDX-License-Identifier: BSL-1.0
#include "core/park/idle.hpp"

#include <coir/core/base/assert.hpp>

#include <bit>

namespace coir::detail {
namespace {

struct place {
    std::size_t word;
    int shift;
};

place place_of(std::size_t worker) noexcept {
    return {worker / 32, static_cast<int>(worker % 32) * 2};
}

}  // namespace

idle::idle(std::size_t workers)
    : max_searchers_(workers < 2 ? 1 : static_cast<std::int32_t>(workers / 2)),
      workers_((workers + k_workers_per_word - 1) / k_workers_per_word) {
    COIR_VERIFY(workers >= 1 && workers <= k_max_workers);
}

int idle::choose() noexcept {
    int const worker = turn_any_sleeper_to(k_chosen);
    if (worker != k_nobody) {
        // Relaxed: after the acquire of turn_sleeper_to (invariant 1), and before the caller's wake.
        word_.fetch_add(k_one_searcher - k_one_sleeper, memory_order_relaxed);
    }
    return worker;
}

int idle::claim_any_sleeper() noexcept {
    // P, partner W: a worker sees the caller's flag, or this sees it asleep.
    load_after_full_fence(word_, COIR_MODEL_WEAKEN(idle_claim_any, memory_order_seq_cst, memory_order_relaxed));
    int const worker = turn_any_sleeper_to(k_claimed);
    if (worker != k_nobody) {
        word_.fetch_sub(k_one_sleeper, memory_order_relaxed);
    }
    return worker;
}

bool idle::claim(std::size_t worker) noexcept {
    // P, partner W: that worker sees the message, or this sees it asleep.
    load_after_full_fence(word_, COIR_MODEL_WEAKEN(idle_claim, memory_order_seq_cst, memory_order_relaxed));
    if (!turn_sleeper_to(worker, k_claimed)) {
        return false;
    }
    word_.fetch_sub(k_one_sleeper, memory_order_relaxed);
    return true;
}

bool idle::try_start_searching() noexcept {
    std::uint64_t word = word_.load(memory_order_relaxed);
    do {
        if (searchers_in(word) >= max_searchers_) {
            return false;
        }
        // Relaxed: searching orders nothing, only its end does.
    } while (!word_.compare_exchange_weak(word, word + k_one_searcher, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool idle::prepare_to_park(std::size_t worker, bool was_searching) noexcept {
    // Relaxed: before the release below (invariant 1) and before the fence.
    word_.fetch_add(was_searching ? k_one_sleeper - k_one_searcher : k_one_sleeper, memory_order_relaxed);
    auto const [index, shift] = place_of(worker);
    // Release: with the acquire of turn_sleeper_to and turn_self_to_awake keeps invariant 1.
    workers_[index].fetch_or(k_asleep << shift, memory_order_release);
    std::uint64_t const word = load_after_full_fence(  // W, partner P
        word_, COIR_MODEL_WEAKEN(idle_parker, memory_order_seq_cst, memory_order_relaxed));
    return searchers_in(word) <= COIR_MODEL_WEAKEN(idle_last_look, 0, -9);
}

void idle::cancel_park(std::size_t worker) noexcept {
    switch (turn_self_to_awake(worker)) {
    case k_asleep:
        word_.fetch_add(k_one_searcher - k_one_sleeper, memory_order_relaxed);
        break;
    case k_claimed:
        word_.fetch_add(k_one_searcher, memory_order_relaxed);
        break;
    default:  // chosen: counted by its chooser
        break;
    }
}

bool idle::leave_park(std::size_t worker) noexcept {
    std::uint64_t const before = turn_self_to_awake(worker);
    if (before == k_asleep) {
        word_.fetch_sub(k_one_sleeper, memory_order_relaxed);
    }
    return before == k_chosen;
}

int idle::turn_any_sleeper_to(std::uint64_t state) noexcept {
    for (std::size_t index = 0; index < workers_.size(); ++index) {
        std::uint64_t bits = workers_[index].load(memory_order_relaxed);
        // Pairs that are 01.
        while (std::uint64_t const asleep = bits & ~(bits >> 1) & k_low_bits) {
            // The lowest: with little to do, the same few workers stay warm.
            int const shift = std::countr_zero(asleep);
            std::uint64_t const turned = bits ^ ((k_asleep ^ state) << shift);
            // Acquire: invariant 1. On failure `bits` is read anew.
            if (workers_[index].compare_exchange_weak(bits, turned, memory_order_acq_rel, memory_order_relaxed)) {
                return static_cast<int>(index * k_workers_per_word) + shift / 2;
            }
        }
    }
    return k_nobody;
}

bool idle::turn_sleeper_to(std::size_t worker, std::uint64_t state) noexcept {
    auto const [index, shift] = place_of(worker);
    std::uint64_t bits = workers_[index].load(memory_order_relaxed);
    while (((bits >> shift) & 3) == k_asleep) {
        std::uint64_t const turned = bits ^ ((k_asleep ^ state) << shift);
        if (workers_[index].compare_exchange_weak(bits, turned, memory_order_acq_rel, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

std::uint64_t idle::turn_self_to_awake(std::size_t worker) noexcept {
    auto const [index, shift] = place_of(worker);
    std::uint64_t const bits = workers_[index].fetch_and(~(std::uint64_t{3} << shift), memory_order_acq_rel);
    return (bits >> shift) & 3;
}

}  // namespace coir::detail
