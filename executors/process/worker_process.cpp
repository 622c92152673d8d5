// SPDX-License-Identifier: BSL-1.0
#include "executors/process/worker_process_impl.hpp"

#include <cerrno>
#include <new>

namespace coir::detail {

bool worker_process::send_what_fits() noexcept {
    while (sending.bytes != nullptr) {
        auto const rest = std::span<std::byte const>(*sending.bytes).subspan(sending.sent);
        bool const with_descriptor =
            sending.sent == 0 && sending.shared != nullptr && !known_segments.contains(sending.shared->id());
        if (with_descriptor && sending.shared->is_kept()) {
            try {
                known_segments.reserve(known_segments.size() + 1);
            } catch (std::bad_alloc const&) {
                // Without the note it would get the descriptor again: it starts anew, and the job with another worker.
                kill_process(process.process.get());
                send_failed = true;
                sending = {};
                return true;
            }
        }
        if (mail && sending.sent == 0) {
            if (!with_descriptor && mail->to_worker.try_post(rest)) {
                sending = {};
                return true;
            }
            mail->to_worker.point_to_socket();
        }
        int const passed = with_descriptor     ? sending.shared->descriptor()
                           : sending.sent == 0 ? sending.passed.get()
                                               : -1;
        auto const sent = send_some(process.channel.get(), rest, passed);
        if (sent.error == EAGAIN || sent.error == EWOULDBLOCK) {
            return false;
        }
        if (sent.error != 0) {
            send_failed = true;  // it is ending; its death will be noticed
            sending = {};
            return true;
        }
        if (with_descriptor && sending.shared->is_kept()) {
            known_segments.insert(sending.shared->id());
        }
        sending.sent += sent.count;
        if (sending.sent == sending.bytes->size()) {
            sending = {};
        }
    }
    return true;
}

}  // namespace coir::detail
