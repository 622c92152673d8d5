// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/base/tls.hpp>

namespace coir::detail {

/// While it lives, what runs on this plain thread runs in a job of `executor`.
class running_in {
public:
    explicit running_in(void const* executor) noexcept : frame_{executor, this_executor_frame()} {
        set_this_executor_frame(&frame_);
    }
    running_in(running_in const&) = delete;
    running_in& operator=(running_in const&) = delete;
    ~running_in() { set_this_executor_frame(frame_.outer); }

private:
    executor_frame const frame_;
};

/// Does the caller run in a job of `executor`, or in one of another executor that hands its jobs on to that?
inline bool runs_in(void const* executor) noexcept {
    executor_frame const* frame = this_executor_frame();
    while (frame != nullptr && frame->executor != executor) {
        frame = frame->outer;
    }
    return frame != nullptr;
}

}  // namespace coir::detail
