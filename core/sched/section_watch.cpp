// SPDX-License-Identifier: BSL-1.0
#include "core/sched/section_watch.hpp"

#include "core/sched/scheduler.hpp"

#include <algorithm>

namespace coir::detail {
namespace {

// Guessed: several times what a hand-over costs, so that short sections are left alone, and less than others notice. The
// kernel adds some 50 µs to each pause.
constexpr auto k_shortest_pause = std::chrono::microseconds(50);
constexpr auto k_longest_pause = std::chrono::milliseconds(1);
// The watch goes on for so long after the last section: the next one does not have to wake the monitor.
constexpr auto k_quiet = std::chrono::milliseconds(10);

}  // namespace

section_watch::section_watch(scheduler& home) : home_(home), seen_(home.worker_count()), pause_(k_shortest_pause) {}

void section_watch::look() noexcept {
    bool const handed_over = look_at_all();
    auto const now = std::chrono::steady_clock::now();
    pause_ = handed_over ? k_shortest_pause : std::min<std::chrono::nanoseconds>(pause_ + pause_ / 16, k_longest_pause);
    next_look_ = now + pause_;
    if (now - last_change_ > k_quiet) {
        end_unless_needed();
    }
}

bool section_watch::look_at_all() noexcept {
    bool handed_over = false;
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        worker& w = home_.worker_at(i);
        std::uint64_t const word = w.section().read();
        if (word != seen_[i]) {
            seen_[i] = word;
            last_change_ = std::chrono::steady_clock::now();
        } else if (blocking_word::is_free(word) && w.hand_over_section(word)) {
            handed_over = true;
        }
    }
    return handed_over;
}

// Invariant 3 of blocking_word.hpp.
void section_watch::end_unless_needed() noexcept {
    on_.store(false, std::memory_order_seq_cst);
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        if (blocking_word::is_free(home_.worker_at(i).section().read())) {
            on_.store(true, std::memory_order_seq_cst);
            return;
        }
    }
    pause_ = k_shortest_pause;
    next_look_ = {};
}

}  // namespace coir::detail
