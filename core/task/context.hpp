// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   context_var<T>   a variable that each task sees its own value of; children inherit it
//   fiber_local<T>   a variable of which each task has its own object; nobody inherits it

#include <coir/core/base/errors.hpp>
#include <coir/core/task/shared_state.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace coir {

namespace detail {

/// That no other variable of the process has or had.
std::uint64_t new_variable_id() noexcept;
struct context_values;

/// While it lives, its maker has these values of the context variables; what it sets meanwhile is gone afterwards. In a task,
/// and on a plain thread, which has none otherwise. Must end where it was made, the last one first.
class context_scope {
public:
    /// Throws std::bad_alloc.
    explicit context_scope(std::shared_ptr<context_values const> values);
    context_scope(context_scope const&) = delete;
    context_scope& operator=(context_scope const&) = delete;
    ~context_scope();

    /// On a plain thread: those of now.
    std::shared_ptr<context_values const>& values() noexcept { return values_; }
    std::uint64_t id() const noexcept { return id_; }

private:
    std::uint64_t const id_;
    std::shared_ptr<context_values const> values_;  // in a task: those that it had before
    task_base* const task_;
    context_scope* const outer_;  // on a plain thread
};

/// All values that the caller has now. Null if there are none.
std::shared_ptr<context_values const> values_of_caller() noexcept;

/// That no other context has or had: a task's, or that of a scope on a plain thread. Throws no_running_runtime where there is
/// none.
std::uint64_t context_id_of_caller();
/// What the caller's context holds; null if nothing, and on a plain thread that has none.
std::shared_ptr<void const> context_value(std::uint64_t id) noexcept;
/// Sets it (null: takes it out) and returns what was there. Throws no_running_runtime on such a thread.
std::shared_ptr<void const> exchange_context_value(std::uint64_t id, std::shared_ptr<void const> value);

using local_ptr = std::unique_ptr<void, void (*)(void*)>;
/// The calling task's object, made by `make(maker)` on first use. Throws no_running_runtime outside of a task.
void* local_object(std::uint64_t id, local_ptr (*make)(void const* maker), void const* maker);

}  // namespace detail

/// As Python's contextvars: what a task sets is seen by it and by what it spawns afterwards, which gets the values of that
/// moment; on_done() callbacks get those of their registration; a function in to_thread() gets them too, and what it sets is
/// its own. Values are copied in and out. Nothing here suspends.
template <class T>
class context_var {
    static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T>,
                  "coir::context_var: T must be copyable: values are copied in and out (a std::shared_ptr can be)");

public:
    /// What a set() replaced.
    class token {
    public:
        token(token&&) noexcept = default;
        token& operator=(token&&) noexcept = default;

    private:
        friend context_var;
        token(std::uint64_t id, std::uint64_t context, std::shared_ptr<void const> previous) noexcept
            : id_(id), context_(context), previous_(std::move(previous)) {}
        std::uint64_t id_;
        std::uint64_t context_;
        std::shared_ptr<void const> previous_;
        bool used_ = false;
    };

    context_var() = default;
    /// With a value for tasks in which none was set, and for plain threads (that do not run a function of to_thread()).
    explicit context_var(T default_value) : default_(std::move(default_value)) {}
    context_var(context_var const&) = delete;
    context_var& operator=(context_var const&) = delete;

    /// Throws std::logic_error if no value was set and there is no default.
    T get() const {
        if (auto const found = detail::context_value(id_)) {
            return *static_cast<T const*>(found.get());
        }
        if (!default_) {
            throw std::logic_error("context_var::get: no value was set, and there is no default");
        }
        return *default_;
    }

    /// Sets the value in the calling task, or function of to_thread(). Throws no_running_runtime outside of one.
    token set(T value) {
        std::uint64_t const context = detail::context_id_of_caller();
        return token(id_, context, detail::exchange_context_value(id_, std::make_shared<T const>(std::move(value))));
    }

    /// Takes a set() back: the value is again what it was before. Throws std::invalid_argument for the token of another
    /// variable, or of a set() by another task (or another function of to_thread()), invalid_state for one that was used
    /// already, no_running_runtime outside of a task.
    void reset(token& t) {
        if (t.id_ != id_) {
            throw std::invalid_argument("context_var::reset: the token is of another variable");
        }
        if (t.context_ != detail::context_id_of_caller()) {
            throw std::invalid_argument("context_var::reset: the token is of another task");
        }
        if (t.used_) {
            detail::throw_no_state("context_var::reset: the token was used already");
        }
        detail::exchange_context_value(id_, t.previous_);
        t.used_ = true;
    }
    void reset(token&& t) { reset(t); }

private:
    std::uint64_t const id_ = detail::new_variable_id();
    std::optional<T> default_;
};

/// As thread_local, for tasks. A task's object is made when the task first asks for it, value-initialised or by the
/// factory, and destroyed when the task ends, before anybody sees it done. Throws no_running_runtime outside of a task.
template <class T>
class fiber_local {
    static_assert(std::is_object_v<T>,
                  "coir::fiber_local: T must be an object type, such as a pointer for a reference");

public:
    fiber_local() {
        static_assert(std::is_default_constructible_v<T>,
                      "coir::fiber_local: T has no default constructor: give a factory to the constructor");
    }
    template <class Factory>
        requires(!std::is_same_v<Factory, fiber_local> && std::is_invocable_r_v<T, Factory&>)
    explicit fiber_local(Factory factory) : factory_(std::move(factory)) {}
    fiber_local(fiber_local const&) = delete;
    fiber_local& operator=(fiber_local const&) = delete;

    T& operator*() const { return *get(); }
    T* operator->() const { return get(); }
    T* get() const {
        return static_cast<T*>(detail::local_object(
            id_,
            [](void const* maker) {
                auto const& factory = *static_cast<std::function<T()> const*>(maker);
                return detail::local_ptr(factory ? new T(factory()) : make_plain(),
                                         [](void* object) { delete static_cast<T*>(object); });
            },
            &factory_));
    }

private:
    static T* make_plain() {
        if constexpr (std::is_default_constructible_v<T>) {
            return new T();
        } else {
            return nullptr;  // then there is a factory
        }
    }

    std::uint64_t const id_ = detail::new_variable_id();
    std::function<T()> factory_;
};

}  // namespace coir
