// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/tls.hpp>

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
constinit thread_local fiber_thread* blocking_section = nullptr;
constinit thread_local void const* current_executor = nullptr;
constinit thread_local owned_pointer own_objects[2]{};

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

COIR_NOIPA fiber_thread* this_blocking_section() noexcept {
    return opaque(blocking_section);
}

COIR_NOIPA void set_this_blocking_section(fiber_thread* value) noexcept {
    blocking_section = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA void const* this_executor() noexcept {
    return opaque(current_executor);
}

COIR_NOIPA void set_this_executor(void const* value) noexcept {
    current_executor = value;
    asm volatile("" ::: "memory");
}

COIR_NOIPA void* this_thread_object(thread_object which, void* (*make)(), void (*destroy)(void*)) {
    owned_pointer& slot = own_objects[static_cast<unsigned char>(which)];
    if (slot.object == nullptr) {
        slot.object = make();
        slot.destroy = destroy;
    }
    return opaque(slot.object);
}

}  // namespace coir::detail
