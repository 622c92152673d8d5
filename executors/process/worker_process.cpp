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
                known_segments.insert(sending.shared->id());
            } catch (std::bad_alloc const&) {
                // Without the note it would get the descriptor again: it starts anew, and the job with another worker.
                kill_process(process.process.get());
                send_failed = true;
                sending = {};
                return true;
            }
        }
        if (mail && sending.sent == 0) {
            auto const receiver = with_descriptor ? mail_slot::receiver::elsewhere : mail->to_worker.try_post(rest);
            is_awake.store(receiver == mail_slot::receiver::looks, std::memory_order_relaxed);
            if (receiver != mail_slot::receiver::elsewhere) {
                sending = {};
                return true;
            }
        }
        bool const sleeps = mail && mail->to_worker.point_to_socket();
        std::array<int, k_most_passed> passed{with_descriptor ? sending.shared->descriptor() : sending.mail.get(),
                                              sending.bell};
        std::size_t const count = sending.sent != 0 || passed[0] < 0 ? 0 : passed[1] < 0 ? 1 : 2;
        auto const sent = send_some(process.channel.get(), rest, std::span(passed).first(count));
        if (sleeps) {
            mail->to_worker.wake();
        }
        if (sent.error == EAGAIN || sent.error == EWOULDBLOCK) {
            if (with_descriptor) {
                known_segments.erase(sending.shared->id());  // it has not gone yet
            }
            return false;
        }
        if (sent.error != 0) {
            send_failed = true;  // it is ending; its death will be noticed
            sending = {};
            return true;
        }
        sending.sent += sent.count;
        if (sending.sent == sending.bytes->size()) {
            sending = {};
        }
    }
    return true;
}

}  // namespace coir::detail
