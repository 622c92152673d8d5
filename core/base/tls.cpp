// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/tls.hpp>

#include "core/base/held_locks.hpp"

#include <coir/core/base/config.hpp>

namespace coir::detail {
namespace {

struct owned_pointer {
    void* object = nullptr;
    void (*destroy)(void*) = nullptr;

    ~owned_pointer() {
        if (object != nullptr) {
            destroy(object);
        }
    }
};

// constinit: no guard variable, no lazy initialisation on the way of every scheduler call.
constinit thread_local worker* current_worker = nullptr;
constinit thread_local fork_place* current_fork_place = nullptr;
constinit thread_local record_cache* current_record_cache = nullptr;
constinit thread_local fiber_thread* blocking_section = nullptr;
constinit thread_local executor_frame const* current_executor_frame = nullptr;
constinit thread_local executor_frame frame_of_the_thread{nullptr, nullptr};
constinit thread_local context_scope* current_context_scope = nullptr;
constinit thread_local owned_pointer own_objects[2]{};
#if COIR_CHECK_HELD_LOCKS
constinit thread_local held_locks locks_of_thread{};
#endif
alignas(16) constinit thread_local unsigned char own_rooms[2][k_thread_object_room]{};

// Keeps even link-time optimisation from learning where the value comes from.
template <class T>
COIR_ALWAYS_INLINE T* opaque(T* value) noexcept {
    asm volatile("" : "+r"(value)::"memory");
    return value;
}

}  // namespace

COIR_NOIPA worker* this_worker() noexcept {
    return opaque(current_worker);
}

COIR_NOIPA void set_this_worker(worker* value) noexcept {
    current_worker = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA fork_place* this_fork_place() noexcept {
    return opaque(current_fork_place);
}

COIR_NOIPA void set_this_fork_place(fork_place* value) noexcept {
    current_fork_place = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA record_cache* this_record_cache() noexcept {
    return opaque(current_record_cache);
}

COIR_NOIPA void set_this_record_cache(record_cache* value) noexcept {
    current_record_cache = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA fiber_thread* this_blocking_section() noexcept {
    return opaque(blocking_section);
}

COIR_NOIPA void set_this_blocking_section(fiber_thread* value) noexcept {
    blocking_section = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA executor_frame const* this_executor_frame() noexcept {
    return opaque(current_executor_frame);
}

COIR_NOIPA void set_this_executor_frame(executor_frame const* value) noexcept {
    current_executor_frame = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA void give_this_thread_to_executor(void const* executor) noexcept {
    frame_of_the_thread = {executor, nullptr};
    set_this_executor_frame(&frame_of_the_thread);
}

COIR_NOIPA context_scope* this_context_scope() noexcept {
    return opaque(current_context_scope);
}

COIR_NOIPA void set_this_context_scope(context_scope* value) noexcept {
    current_context_scope = value;
    asm volatile("" ::: "memory");
}

#if COIR_CHECK_HELD_LOCKS
COIR_NOIPA held_locks& this_thread_held_locks() noexcept {
    return *opaque(&locks_of_thread);
}
#endif

COIR_NOIPA void* this_thread_object(thread_object which, void* (*make)(void*), void (*destroy)(void*)) noexcept {
    owned_pointer& slot = own_objects[static_cast<unsigned char>(which)];
    if (slot.object == nullptr) {
        slot.object = make(own_rooms[static_cast<unsigned char>(which)]);
        slot.destroy = destroy;
    }
    return opaque(slot.object);
}

}  // namespace coir::detail
