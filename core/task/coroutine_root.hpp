// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::detail {

class coroutine_state;

/// What a task or thread keeps of its coroutines: nothing before the first one.
class coroutine_root {
public:
    coroutine_root() = default;
    coroutine_root(coroutine_root const&) = delete;
    coroutine_root& operator=(coroutine_root const&) = delete;
    ~coroutine_root() {
        if (root_ != nullptr) {
            end(*root_);
        }
    }

private:
    friend class coroutine_state;
    static void end(coroutine_state& root) noexcept;

    coroutine_state* root_ = nullptr;
};

}  // namespace coir::detail
