// SPDX-License-Identifier: BSL-1.0
#pragma once

// By which a worker wakes a task of the pool's process: an eventfd that both have. The poller of the coir worker on which a task
// first waited for it has it registered, once and edge-triggered; so the task is woken by whom it waits for, and not by way of
// the keeper thread.
//
// The pool's side never reads or writes it, so that neither its count nor its flags, which a worker can change, matter. A ring
// says nothing but "look into the mailbox"; a worker that rings for nothing wastes the time of a poller's turn each time. One that does
// not ring has not answered.

#include "core/io/fd_slot.hpp"
#include "executors/process/descriptor_impl.hpp"

#include <utility>

namespace coir::detail {

/// The pool's end.
class answer_bell {
public:
    answer_bell() = default;
    /// Throws std::system_error, std::bad_alloc.
    static answer_bell make();
    answer_bell(answer_bell&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
    answer_bell& operator=(answer_bell&& other) noexcept {
        std::swap(slot_, other.slot_);
        return *this;
    }
    ~answer_bell();

    /// What the worker gets a copy of.
    int descriptor() const noexcept { return slot_->fd(); }
    fd_slot* operator->() const noexcept { return slot_; }
    explicit operator bool() const noexcept { return slot_ != nullptr; }

private:
    explicit answer_bell(fd_slot& slot) noexcept : slot_(&slot) {}

    fd_slot* slot_ = nullptr;
};

/// The worker's side. False: nobody has heard it.
bool ring(int bell) noexcept;

}  // namespace coir::detail
