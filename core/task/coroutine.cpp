// SPDX-License-Identifier: BSL-1.0
//
// A coroutine's state lives as long as handles, children and the current place refer to it. Two counts:
//   handles_     those of users, one while it is the current one, and one while what it unwinds is gone on with: another task
//                must not unwind it meanwhile. At 0 an unfinished body unwinds.
//   references_  memory alone: also children, each of its parent, and the state itself (own_handle_), while there are
//                handles
// A child does not keep its parent's body alive: a body usually owns the handles of its children on its stack, and neither
// would ever end.
//
// A body that unwinds goes back to whoever took its last handle, its closer, and belongs to that one's task from there on.
// So those that made one another may be of several tasks. What another task may read of one:
//   with a handle    closing_ and root_, which change only while there are none
//   without handles  parent_, which changes only when an unclosed body ends, and that one has a handle as the current one

#include <coir/core/task/coroutine.hpp>

#include "core/fiber/fiber_pool.hpp"
#include "core/task/stack_switch_impl.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/coroutine_root.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <atomic>
#include <cstdint>
#include <exception>

namespace coir::detail {

class coroutine_state {
public:
    using pointer = coroutine_ref;

    static pointer make(std::unique_ptr<coroutine_body> body, std::size_t stack_size);
    static void end_root(coroutine_state& root) noexcept;

    void switch_to();
    bool done() const noexcept { return done_; }
    coroutine& handle() noexcept { return own_handle_; }
    static coroutine_state& current() { return *root_here().current_; }

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    static void release(coroutine_state* state) noexcept;

    // Releases what close() has written, for try_add_handle().
    void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_release); }
    void drop_handle() noexcept {
        if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            close();
        }
    }

private:
    static coroutine_state& root_here();
    [[noreturn]] static void main(fiber_thread* thread);
    void run() noexcept;
    void go_on_in(coroutine_state& target) noexcept;
    void arrive() noexcept;
    bool try_add_handle() noexcept;
    coroutine_state& root() noexcept { return root_ ? *root_ : *this; }
    coroutine_state& whoever_is_next() noexcept;
    void end_body() noexcept;
    void close() noexcept;
    void keep_closers() noexcept;
    void let_closers_go(coroutine_state& current) noexcept;

    // Everything but the counts is the business of the task that it belongs to, but for what is said above.
    std::atomic<std::uint32_t> handles_{1};
    std::atomic<std::uint32_t> references_{0};
    bool done_ = false;
    bool closing_ = false;
    std::unique_ptr<coroutine_body> body_;  // until it has ended; a root has none
    std::size_t stack_size_ = 0;
    fiber* stack_ = nullptr;         // from its first step to its end; a root has none
    fiber* suspended_on_ = nullptr;  // where to go on
    std::exception_ptr thrown_;      // by a child that ended: to be rethrown here
    pointer parent_;                 // when it has ended: the one that it went back to, unless it was closed
    pointer root_;                   // of the task that it belongs to; null in the root itself
    pointer closer_;
    bool keeps_closer_ = false;  // has one of its handles_
    coroutine own_handle_;       // not counted; empty when there are no handles

    // In a root:
    coroutine_state* current_ = nullptr;  // has one of handles_
    coroutine_state* left_ = nullptr;     // the current one before, whose handle is to be dropped
    fiber* dead_stack_ = nullptr;         // of one that has ended
};

coroutine_state& coroutine_state::root_here() {
    waiter& who = this_waiter();
    coroutine_root& here =
        who.is_task() ? static_cast<task_base&>(who).coroutines() : static_cast<thread_waiter&>(who).coroutines;
    if (here.root_ == nullptr) {
        auto* const made = new coroutine_state;
        made->own_handle_.state_ = pointer(*made);
        made->current_ = made;
        made->add_handle();  // as the current one; the first is the task's
        here.root_ = made;
    }
    return *here.root_;
}

// Whole families may go with their last member: not by recursion.
void coroutine_state::release(coroutine_state* state) noexcept {
    while (state != nullptr && state->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        coroutine_state* const parent = std::exchange(state->parent_.state_, nullptr);
        delete state;
        state = parent;
    }
}

// The task, or thread, has ended. Coroutines of it that still have handles can only be destroyed.
void coroutine_state::end_root(coroutine_state& root) noexcept {
    root.done_ = true;
    pointer const last = std::exchange(root.own_handle_.state_, {});
}

void coroutine_root::end(coroutine_state& root) noexcept {
    coroutine_state::end_root(root);
}

coroutine_state::pointer coroutine_state::make(std::unique_ptr<coroutine_body> body, std::size_t stack_size) {
    coroutine_state& root = root_here();
    pointer made(*new coroutine_state);
    made->body_ = std::move(body);
    made->stack_size_ = stack_size;
    made->parent_ = pointer(*root.current_);
    made->root_ = pointer(root);
    made->own_handle_.state_ = made;
    return made;
}

void coroutine_state::switch_to() {
    coroutine_state& root = root_here();
    coroutine_state& self = *root.current_;
    if (this == &self) {
        return;
    }
    if (done_) {
        throw invalid_state("coroutine::switch_to: it has ended");
    }
    if (this != &root && root_.get() != &root) {
        throw invalid_state("coroutine::switch_to: it belongs to another task");
    }
    bool const unwinds = std::uncaught_exceptions() != 0;
    if (self.closing_ && !unwinds) {
        throw generator_exit();
    }
    this_fiber_thread();  // while it may throw
    if (suspended_on_ == nullptr) {
        stack_ = &make_side_fiber(stack_size_, &main, this);
        suspended_on_ = stack_;
    }
    {
        side_shield const shield;
        self.go_on_in(*this);
    }
    if (self.closing_ && !unwinds) {
        throw generator_exit();
    }
    if (self.thrown_) {
        std::rethrow_exception(std::exchange(self.thrown_, nullptr));
    }
}

// `this` is the current one, `target` can be gone on with.
void coroutine_state::go_on_in(coroutine_state& target) noexcept {
    coroutine_state& root = this->root();
    target.add_handle();
    target.keep_closers();
    root.current_ = &target;
    root.left_ = this;
    switch_stack(suspended_on_, *target.suspended_on_);
    arrive();
}

// The first thing on each stack that is gone on with: what had to wait until another one was left.
void coroutine_state::arrive() noexcept {
    coroutine_state& root = this->root();
    if (fiber* const dead = std::exchange(root.dead_stack_, nullptr)) {
        end_fiber(*dead);
    }
    // Perhaps its last handle: then it is closed from here.
    if (coroutine_state* const left = std::exchange(root.left_, nullptr)) {
        if (left->keeps_closer_ && root.current_->closer_.get() != left) [[unlikely]] {
            left->let_closers_go(*root.current_);
        }
        left->drop_handle();
    }
}

// Of one that unwinds, and is about to be gone on with: its closer, the closer of that one if it unwinds too, and so on.
void coroutine_state::keep_closers() noexcept {
    for (coroutine_state* one = this; one->closer_ && !one->keeps_closer_; one = one->closer_.get()) {
        if (one->closer_->closing_) {
            one->closer_->add_handle();
        } else if (!one->closer_->try_add_handle()) {
            return;
        }
        one->keeps_closer_ = true;
    }
}

// This one has switched to somebody else, to `current`, while it unwinds.
void coroutine_state::let_closers_go(coroutine_state& current) noexcept {
    pointer one(*this);
    while (one->keeps_closer_ && one->closer_.get() != &current) {
        one->keeps_closer_ = false;
        one = pointer(one->closer_);
        one->drop_handle();  // perhaps its last one: then it is closed from here
    }
}

// False: it has none, so that another task may be closing it.
bool coroutine_state::try_add_handle() noexcept {
    std::uint32_t seen = handles_.load(std::memory_order_acquire);
    while (seen != 0) {
        if (handles_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

// For one that ends: its closer, or the nearest of those that made it and still run, in this task. Adds a handle.
coroutine_state& coroutine_state::whoever_is_next() noexcept {
    if (closer_) {
        closer_->add_handle();
        return *closer_;
    }
    for (coroutine_state* next = parent_.get(); next != nullptr; next = next->parent_.get()) {
        if (!next->try_add_handle()) {
            continue;
        }
        bool const of_this_task = &next->root() == root_.get();
        if (of_this_task && !next->done_) {
            return *next;
        }
        // One that another task closes is passed by. What else is of another task made one that was closed in this one.
        bool const pass = of_this_task || next->closing_;
        next->drop_handle();
        if (!pass) {
            break;
        }
    }
    root_->add_handle();
    return *root_;
}

// Its destructors belong to the coroutine still.
void coroutine_state::end_body() noexcept {
    side_shield const shield(true);
    body_.reset();
}

// Whatever has a destructor must be gone before the stack dies.
void coroutine_state::run() noexcept {
    arrive();
    std::exception_ptr failure;
    try {
        body_->run();
    } catch (generator_exit const&) {
        if (!closing_) {
            failure = std::current_exception();
        }
    } catch (...) {
        failure = std::current_exception();
    }
    end_body();
    coroutine_state& next = whoever_is_next();
    if (!closer_) {
        parent_ = pointer(next);  // for its children: the way does not get longer with each generation
    }
    done_ = true;
    next.thrown_ = std::move(failure);
    root_->current_ = &next;
    root_->left_ = this;
    root_->dead_stack_ = stack_;
}

void coroutine_state::main(fiber_thread* thread) {
    auto& self = *static_cast<coroutine_state*>(thread->current->argument);
    self.run();
    switch_stack(self.suspended_on_, *self.root_->current_->suspended_on_, leaving::dies);
    invariant_failed("an ended coroutine was resumed", __FILE__, __LINE__);
}

void coroutine_state::close() noexcept {
    if (closing_) {
        return;  // it unwinds, and has just switched to somebody else
    }
    // The last memory may go with own_handle_, or with closer_.
    pointer const keep(*this);
    if (stack_ != nullptr && !done_) {
        coroutine_state& root = root_here();
        coroutine_state& self = *root.current_;
        side_shield const shield(true);
        closing_ = true;
        root_ = pointer(root);
        closer_ = pointer(self);
        // What the one who closes was just about to be thrown stays its own.
        std::exception_ptr const own = std::exchange(self.thrown_, nullptr);
        while (!done_) {
            root_ = pointer(self.root());  // `self` may itself be unwound by another task by now
            self.go_on_in(*this);          // again, if it switched here while it unwound
            if (self.thrown_) {
                report_unhandled_here(std::exchange(self.thrown_, nullptr));
            }
        }
        self.thrown_ = own;
        if (std::exchange(keeps_closer_, false)) {
            self.drop_handle();  // not the last one: it is the current one
        }
        closer_ = {};
    }
    done_ = true;
    thrown_ = nullptr;
    if (body_ != nullptr) {
        end_body();
    }
    own_handle_.state_ = {};
}

coroutine_ref::coroutine_ref(coroutine_state& state) noexcept : state_(&state) {
    state.add_reference();
}

coroutine_ref::coroutine_ref(coroutine_ref const& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) {
        state_->add_reference();
    }
}

void coroutine_ref::release(coroutine_state* state) noexcept {
    coroutine_state::release(state);
}

}  // namespace coir::detail

namespace coir {

coroutine::coroutine(std::unique_ptr<detail::coroutine_body> body, std::size_t stack_size)
    : state_(detail::coroutine_state::make(std::move(body), stack_size)) {}

coroutine::coroutine(coroutine const& other) noexcept : state_(other.state_) {
    if (state_) {
        state_->add_handle();
    }
}

coroutine::~coroutine() {
    if (state_) {
        state_->drop_handle();
    }
}

void coroutine::switch_to() {
    if (!state_) {
        throw invalid_state("coroutine: it was moved from");
    }
    state_->switch_to();
}

bool coroutine::done() const {
    if (!state_) {
        throw invalid_state("coroutine: it was moved from");
    }
    return state_->done();
}

coroutine& coroutine::current() {
    return detail::coroutine_state::current().handle();
}

}  // namespace coir
