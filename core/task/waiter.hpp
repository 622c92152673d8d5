// SPDX-License-Identifier: BSL-1.0
#pragma once

// Who waits: a task or a plain thread, and the lists in which they stand.
//
// A wait, as every primitive writes it:
//
//     wait_point wait(deadline);                        // prepare; throws a pending cancellation
//     {
//         std::lock_guard const guard(lock_);           // the primitive's own lock
//         if (nothing to wait for) return;              // recheck
//         waiters_.push_back(wait.node);                // publish
//     }
//     if (wait.suspend() != wake_reason::notified) {
//         {
//             std::lock_guard const guard(lock_);
//             waiters_.erase(wait.node);                // out of every claimer's sight before the frame ends
//         }
//         wait.throw_if_cancelled();
//     }
//
// and a wake:
//
//     wake_list wakes;
//     {
//         std::lock_guard const guard(lock_);
//         waiters_.claim_one(wakes);                    // skips those whose wait has ended already
//     }
//     wakes.wake_all();                                 // nobody is woken while a lock is held
//
// Lifetime: a wait_node lies in the waiter's frame. It is reachable by others only while it is linked, under the
// primitive's lock; a claimer unlinks it before it claims. A waiter that was not notified through a node, or that stands
// in several lists, goes through the lock of each list before the frame ends, linked or not.

#include <coir/core/base/clock.hpp>
#include <coir/core/task/coroutine_root.hpp>
#include <coir/core/task/wait_word.hpp>

#include <cstddef>

namespace coir::detail {

class task_base;

/// What ends a wait and brings the waiter back to work.
class waiter {
public:
    enum class kind : unsigned char { task, thread, call };

    explicit waiter(kind k) noexcept : kind_(k) {}
    waiter(waiter const&) = delete;
    waiter& operator=(waiter const&) = delete;

    bool is_task() const noexcept { return kind_ == kind::task; }

    /// Puts the waiter back to work, as wait_step::make_ready demands.
    void make_ready() noexcept;

    /// For a claimer that has won by try_claim() and handed its things over.
    void wake() noexcept;

    wait_word word;

private:
    friend class wake_list;

    kind kind_;
    // Link of the one wake_list whose owner has claimed this waiter; it stays frozen until it is woken from there.
    waiter* next_claimed_ = nullptr;
};

/// A thread that belongs to no runtime: it sleeps on a futex.
class thread_waiter : public waiter {
public:
    thread_waiter() noexcept : waiter(kind::thread) {}

    /// Blocks the thread until it is woken or the deadline has passed; the latter claims the wait.
    wake_reason sleep_until(clock::time_point deadline) noexcept;

    void unpark() noexcept;

    coroutine_root coroutines;
};

/// Something to be called when a wait ends, in place of somebody who waits: by whoever ends it, on that one's stack, under no
/// lock. What is called must not wait, and may end the waiter.
class called_waiter : public waiter {
public:
    explicit called_waiter(void (*what)(called_waiter&) noexcept) noexcept : waiter(kind::call), call_(what) {}

    /// Before it is made known to any claimer: one wait, which is off its stack from the start.
    void arm() noexcept {
        word.prepare(false);
        static_cast<void>(word.publish_suspended());
    }
    void call() noexcept { call_(*this); }

private:
    void (*const call_)(called_waiter&) noexcept;
};

/// Waiters that were claimed under a lock, to be woken after it was released. Allocates nothing.
class wake_list {
public:
    wake_list() = default;
    wake_list(wake_list const&) = delete;
    wake_list& operator=(wake_list const&) = delete;

    /// Ends the wait of `who` with `reason`, if nobody else has; false if somebody has.
    bool claim(waiter& who, wake_reason reason = wake_reason::notified) noexcept {
        if (who.is_task()) {
            wait_step const step = who.word.try_claim_and_wake(reason);
            if (step == wait_step::make_ready) {
                push_back(who);
            }
            return step != wait_step::lost;
        }
        // A thread may go on by itself as soon as it is woken (a futex wakes spuriously), so that it is woken only
        // when it is out of this list.
        if (!who.word.try_claim(reason)) {
            return false;
        }
        push_back(who);
        return true;
    }

    /// For a winner by try_claim() whose things are handed over.
    void add_claimed(waiter& who) noexcept {
        if (!who.is_task() || who.word.wake() == wait_step::make_ready) {
            push_back(who);
        }
    }

    bool empty() const noexcept { return first_ == nullptr; }

    /// Not under any lock.
    void wake_all() noexcept {
        while (first_ != nullptr) {
            waiter& who = *first_;
            first_ = who.next_claimed_;
            if (who.is_task()) {
                who.make_ready();
            } else {
                who.wake();
            }
        }
        last_ = nullptr;
    }

private:
    void push_back(waiter& who) noexcept {
        who.next_claimed_ = nullptr;
        (first_ == nullptr ? first_ : last_->next_claimed_) = &who;
        last_ = &who;
    }

    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
};

/// One waiter's place in one list.
struct wait_node {
    waiter* who = nullptr;
    wait_node* next = nullptr;
    wait_node* previous = nullptr;
    bool linked = false;
    /// Was the wait claimed through this node? For who stands in several lists; to be read after the node was erased.
    bool chosen = false;
};

/// Waiters in the order of their coming. Guarded by the lock of whoever owns the list.
class wait_list {
public:
    bool empty() const noexcept { return first_ == nullptr; }
    wait_node* front() const noexcept { return first_; }

    void push_back(wait_node& node) noexcept {
        node.previous = last_;
        node.next = nullptr;
        node.linked = true;
        (last_ == nullptr ? first_ : last_->next) = &node;
        last_ = &node;
    }

    /// Nothing happens to a node that a claimer has taken out already.
    void erase(wait_node& node) noexcept {
        if (!node.linked) {
            return;
        }
        (node.previous == nullptr ? first_ : node.previous->next) = node.next;
        (node.next == nullptr ? last_ : node.next->previous) = node.previous;
        node.linked = false;
    }

    /// Takes the first waiter whose wait nobody else has ended: false if there is none.
    bool claim_one(wake_list& wakes) noexcept {
        while (first_ != nullptr) {
            wait_node& node = *first_;
            waiter& who = *node.who;
            erase(node);
            node.chosen = true;  // before the claim: the waiter may go on at once
            if (wakes.claim(who)) {
                return true;
            }
            node.chosen = false;  // a waiter that something else has woken still has to come through our lock
        }
        return false;
    }

    void claim_all(wake_list& wakes) noexcept {
        while (claim_one(wakes)) {
        }
    }

    /// As claim_one(), for a claimer that hands something over: the caller fills it in and passes the waiter to
    /// wake_list::add_claimed(). Null if there is none. The node stays valid until then.
    wait_node* take_claimed() noexcept {
        while (first_ != nullptr) {
            wait_node& node = *first_;
            erase(node);
            if (node.who->word.try_claim(wake_reason::notified)) {
                return &node;
            }
        }
        return nullptr;
    }

private:
    wait_node* first_ = nullptr;
    wait_node* last_ = nullptr;
};

}  // namespace coir::detail
