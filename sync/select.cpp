// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/back_off.hpp>
#include <coir/sync/detail/select_case.hpp>

#include <algorithm>
#include <optional>

namespace coir::detail {
namespace {

constexpr wait_kind k_waits_for_one_of{"one of several things (select)"};

using cases = std::span<select_case* const>;

std::optional<std::size_t> poll_all(cases all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i]->poll()) {
            return i;
        }
    }
    return std::nullopt;
}

// Between start() and stop() of every case that was started.
class started {
public:
    explicit started(cases all) : all_(all) {
        try {
            for (; count_ < all.size(); ++count_) {
                all[count_]->start();
            }
        } catch (...) {
            stop();
            throw;
        }
    }
    started(started const&) = delete;
    started& operator=(started const&) = delete;
    ~started() { stop(); }

    std::size_t choose(std::size_t index) noexcept { return chosen_ = index; }

private:
    static constexpr std::size_t k_none = ~std::size_t{0};

    void stop() noexcept {
        for (std::size_t i = 0; i < count_; ++i) {
            all_[i]->stop(i == chosen_);
        }
    }

    cases const all_;
    std::size_t count_ = 0;
    std::size_t chosen_ = k_none;
};

// One wait in every line. The index of the case that has taken effect by it.
std::optional<std::size_t> wait_in_all(cases all, std::size_t earliest) {
    wait_point wait(all[earliest]->deadline());
    wait.is_for(k_waits_for_one_of);
    std::size_t in_line = 0;
    while (in_line < all.size() && all[in_line]->enlist(wait.who())) {
        ++in_line;
    }
    bool const taken_back = in_line < all.size() && wait.try_withdraw();
    wake_reason const reason = taken_back ? wake_reason::none : wait.suspend();
    for (std::size_t i = 0; i < in_line; ++i) {
        all[i]->withdraw();
    }
    if (reason == wake_reason::notified) {
        for (std::size_t i = 0; i < in_line; ++i) {
            if (all[i]->settled()) {
                return i;
            }
        }
    }
    wait.throw_if_cancelled();
    return reason == wake_reason::timed_out ? std::optional(earliest) : std::nullopt;
}

}  // namespace

std::size_t select_one(cases all) {
    auto const otherwise = std::find_if(all.begin(), all.end(), [](select_case const* c) { return c->is_otherwise(); });
    if (otherwise == all.end()) {
        throw_if_cancel_pending();
    }
    if (auto const now = poll_all(all)) {
        return *now;
    }
    if (otherwise != all.end()) {
        return static_cast<std::size_t>(otherwise - all.begin());
    }
    auto const first_due = std::min_element(all.begin(), all.end(), [](select_case const* a, select_case const* b) {
        return a->deadline() < b->deadline();
    });
    auto const earliest = static_cast<std::size_t>(first_due - all.begin());
    started running(all);
    for (back_off pause;; pause.pause()) {
        if (auto const chosen = wait_in_all(all, earliest)) {
            return running.choose(*chosen);
        }
        if (auto const now = poll_all(all)) {
            return running.choose(*now);
        }
    }
}

}  // namespace coir::detail
