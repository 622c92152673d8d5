// SPDX-License-Identifier: BSL-1.0
#include "core/time/timers.hpp"

#include "core/base/fault.hpp"

#include <coir/core/base/back_off.hpp>

#include <algorithm>
#include <mutex>

namespace coir::detail {
namespace {

constexpr std::size_t k_children = 4;
// Callbacks run without the lock, a few at a time.
constexpr std::size_t k_callback_batch = 16;
constexpr std::size_t k_first_capacity = 16;

}  // namespace

void timers::add(timer_node& node, clock::time_point deadline) {
    std::lock_guard const guard(lock_);
    heap_.emplace_back();
    node.home = this;
    sift_up(heap_.size() - 1, {deadline.time_since_epoch().count(), sequence_++, &node});
    publish_next();
}

void timers::reserve_one() {
    COIR_FAULT_NO_MEMORY(timer_memory);
    std::lock_guard const guard(lock_);
    if (heap_.size() == heap_.capacity()) {
        heap_.reserve(std::max(k_first_capacity, 2 * heap_.size()));
    }
}

bool timers::take_out(timer_node& node) noexcept {
    timers& home = *node.home;
    std::lock_guard const guard(home.lock_);
    if (node.index == timer_node::k_not_queued) {
        return false;
    }
    home.take_out(node.index);
    home.publish_next();
    return true;
}

void timers::wait_for_callback(timer_node& node) noexcept {
    // Pairs with the release in fire_due(): what the callback did is seen.
    for (back_off wait; node.firing.load(std::memory_order_acquire);) {
        wait.pause();
    }
}

std::size_t timers::fire_due(clock::time_point now, std::size_t limit) noexcept {
    if (next_deadline() > now) {
        return 0;
    }
    std::size_t fired = 0;
    while (fired < limit) {
        wake_list wakes;
        timer_node* callbacks[k_callback_batch];
        std::size_t callback_count = 0;
        bool more = false;
        {
            std::lock_guard const guard(lock_);
            while (fired < limit && !heap_.empty() && heap_.front().deadline <= now.time_since_epoch().count()) {
                timer_node& node = *heap_.front().node;
                if (node.callback != nullptr) {
                    if (callback_count == k_callback_batch) {
                        more = true;
                        break;
                    }
                    node.firing.store(true, std::memory_order_relaxed);  // seen under the lock
                    callbacks[callback_count++] = &node;
                }
                take_out(0);
                ++fired;
                if (node.callback == nullptr) {
                    wakes.claim(*node.who, wake_reason::timed_out);
                }
            }
            publish_next();
        }
        COIR_FAULT_DELAY(delay_time_out);
        wakes.wake_all();
        for (std::size_t i = 0; i < callback_count; ++i) {
            callbacks[i]->callback(*callbacks[i]);
            callbacks[i]->firing.store(false, std::memory_order_release);
        }
        if (!more) {
            break;
        }
    }
    return fired;
}

std::size_t timers::size() const noexcept {
    std::lock_guard const guard(lock_);
    return heap_.size();
}

void timers::place(std::size_t index, entry const& e) noexcept {
    heap_[index] = e;
    e.node->index = index;
}

void timers::sift_up(std::size_t index, entry const& e) noexcept {
    while (index > 0) {
        std::size_t const parent = (index - 1) / k_children;
        if (!e.before(heap_[parent])) {
            break;
        }
        place(index, heap_[parent]);
        index = parent;
    }
    place(index, e);
}

void timers::sift_down(std::size_t index, entry const& e) noexcept {
    for (;;) {
        std::size_t const first = index * k_children + 1;
        if (first >= heap_.size()) {
            break;
        }
        std::size_t const last = std::min(first + k_children, heap_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child) {
            if (heap_[child].before(heap_[least])) {
                least = child;
            }
        }
        if (!heap_[least].before(e)) {
            break;
        }
        place(index, heap_[least]);
        index = least;
    }
    place(index, e);
}

void timers::take_out(std::size_t index) noexcept {
    heap_[index].node->index = timer_node::k_not_queued;
    entry const last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) {
        return;
    }
    if (index > 0 && last.before(heap_[(index - 1) / k_children])) {
        sift_up(index, last);
    } else {
        sift_down(index, last);
    }
}

void timers::publish_next() noexcept {
    next_.store(heap_.empty() ? clock::duration::max().count() : heap_.front().deadline, std::memory_order_relaxed);
}

}  // namespace coir::detail
