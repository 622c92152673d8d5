// SPDX-License-Identifier: BSL-1.0
//
// A worker process from main() to its end. One thread: it reads a job, runs it on its own stack, answers, and reads the
// next. When the pool closes the channel, it ends as any program does.

#include "executors/process/entry_impl.hpp"

#include "core/base/patience.hpp"
#include "core/base/thread_name.hpp"
#include "core/sched/main_entry.hpp"
#include "executors/process/bell_impl.hpp"
#include "executors/process/channel_impl.hpp"
#include "executors/process/confine_impl.hpp"
#include "executors/process/exception_impl.hpp"
#include "executors/process/image_impl.hpp"
#include "executors/process/last_words_impl.hpp"
#include "executors/process/mailbox_impl.hpp"
#include "executors/process/request_impl.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/executors/process/signature.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr int k_failed = 125;
constexpr std::size_t k_kept_buffer = std::size_t{1} << 20;

class mapping {
public:
    mapping() = default;
    mapping(int fd, std::size_t size) : address_(::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0)), size_(size) {
        if (address_ == MAP_FAILED) {
            throw std::system_error(errno, std::generic_category(), "coir: a job's shared memory");
        }
    }
    mapping(mapping&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    mapping& operator=(mapping&& other) noexcept {
        std::swap(address_, other.address_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~mapping() {
        if (address_ != nullptr && address_ != MAP_FAILED) {
            ::munmap(address_, size_);
        }
    }
    std::span<std::byte const> bytes() const noexcept { return {static_cast<std::byte const*>(address_), size_}; }

private:
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

/// A message from the pool. Its body lies where it was read, until the next one is.
struct incoming {
    frame_header header;
    std::span<std::byte const> body;
};

class server {
public:
    explicit server(worker_marker const& marker) : marker_(marker) {}

    int serve() {
        say_hello();
        while (std::optional<incoming> const message = receive()) {
            switch (message->header.kind) {
            case frame_kind::setup:
                if (!set_up(*message)) {
                    return EXIT_SUCCESS;
                }
                break;
            case frame_kind::job:
                if (!run(*message)) {
                    return EXIT_SUCCESS;
                }
                break;
            default:
                throw protocol_error("a message that only workers send");
            }
        }
        return EXIT_SUCCESS;
    }

private:
    // Looks into the mailbox first, as long as that pays: who sends again at once need not wake this process. Then it sleeps there
    // for a while, from where it is woken in half the time.
    std::optional<incoming> receive() {
        if (from_socket_.capacity() > k_kept_buffer) {
            byte_buffer().swap(from_socket_);
        }
        if (!std::exchange(is_at_mailbox_, false)) {
            return receive_from_socket();
        }
        auto const never = [] { return false; };
        auto const start = std::chrono::steady_clock::now();
        auto const at_most = patience_.budget();
        mail_slot& slot = mail_->to_worker;
        if (at_most == patience::duration::zero() || !watch_for(slot, at_most, never)) {
            slot.sleep_until(start + k_longest_sleep, never);
        }
        auto received = slot.end() && slot.claim() ? read_mail(slot) : receive_from_socket();
        patience_.tell(std::chrono::steady_clock::now() - start <= patience::k_most);
        return received;
    }

    std::optional<incoming> read_mail(mail_slot const& slot) {
        auto const size = slot.read(from_mail_);
        if (!size || *size < k_frame_header_size) {
            throw protocol_error("a message of no possible size");
        }
        auto const message = std::span<std::byte const>(from_mail_).first(*size);
        frame_header const header = read_header(message.first<k_frame_header_size>());
        auto const body = message.subspan(k_frame_header_size);
        if (header.size != body.size()) {
            throw protocol_error("a message of another size than it says");
        }
        return incoming{header, body};
    }

    std::optional<incoming> receive_from_socket() {
        for (;;) {
            if (auto whole = reader_.next()) {
                from_socket_ = std::move(whole->body);
                return incoming{whole->header, from_socket_};
            }
            passed_descriptors passed;
            auto const got = receive_with_descriptors(k_worker_channel, reader_.space(), passed);
            if (got.error != 0 || got.count == 0) {
                return std::nullopt;
            }
            if (passed[0]) {
                passed_ = std::move(passed);
            }
            reader_.advance(got.count);
        }
    }

    template <class Fill>
    bool answer(frame_kind kind, std::uint64_t job, Fill fill) {
        answer_.clear();
        answer_.resize(k_frame_header_size);
        wire_output out(answer_);
        fill(out);
        finish_frame(answer_, kind, job);
        is_at_mailbox_ = mail_ && mail_->to_worker.begin();  // first: the next job may come at once
        bool const sent = (mail_ && post_answer()) || send_all(k_worker_channel, answer_);
        if (answer_.capacity() > k_kept_buffer) {
            byte_buffer().swap(answer_);
        }
        return sent;
    }

    bool post_answer() noexcept {
        mail_slot& slot = mail_->to_pool;
        switch (slot.try_post(answer_, static_cast<bool>(bell_))) {
        case mail_slot::receiver::elsewhere:
            return false;
        case mail_slot::receiver::looks:
        case mail_slot::receiver::sleeps:
            break;
        case mail_slot::receiver::hears:
            return ring(bell_.get()) || !slot.take_back();
        }
        return true;
    }

    void say_hello() {
        answer(frame_kind::hello, 0, [&](wire_output& out) { write_hello(out, {marker_.secret, program_image()}); });
    }

    bool set_up(incoming const& message) {
        wire_input in(message.body);
        setup_message const setup = read_setup(in);
        name_this_thread("coir-worker", setup.number);
        cpu_limit_ = setup.cpu_limit_seconds;
        bell_ = std::exchange(passed_[1], {});
        if (passed_[0]) {
            try {
                mail_ = mailbox_mapping::open(std::exchange(passed_[0], {}));
            } catch (std::system_error const&) {
                // The pool sees that nobody looks into it.
            }
        }
        try {
            if (setup.memory_limit != 0) {
                limit_memory(setup.memory_limit);
            }
            if (!setup.initializer.empty()) {
                wire_input name(setup.initializer);
                reinterpret_cast<void (*)()>(address_of_function(read_name(name)))();
            }
        } catch (...) {
            flush_output();
            answer(frame_kind::start_failed, 0, [](wire_output& out) { write_current_exception(out); });
            return false;
        }
        flush_output();
        // Once more: the initializer may have given up privileges, by which the kernel forgets it.
        if (!die_with_parent(marker_)) {
            return false;
        }
        return answer(frame_kind::ready, 0, [](wire_output&) {});
    }

    /// False: the pool is gone, or this worker is of no use any more.
    bool run(incoming const& message) {
        if (cpu_limit_ != 0) {
            limit_processor_time(cpu_limit_);
        }
        last_words::are_of(message.header.job);
        try {
            return answer(frame_kind::value, message.header.job, [&](wire_output& out) {
                call(message, out);
                flush_output();
            });
        } catch (...) {
            flush_output();
            // Without shared memory that the pool will not send again it can serve no longer. The next worker can.
            return answer(frame_kind::error, message.header.job,
                          [](wire_output& out) { write_current_exception(out); }) &&
                   !lacks_memory_;
        }
    }

    void call(incoming const& message, wire_output& out) {
        wire_input head(message.body);
        segment_place const place = read_segment_place(head);
        mapping once;
        // First, come what may: what came along in shared memory is known to the pool as known to this process.
        shared_bytes const shared = place.capacity != 0 ? map(place, once) : shared_bytes();
        auto const deadline = read_deadline(head);
        function_name const name = read_name(head);
        auto const thunk = reinterpret_cast<remote_thunk>(address_of_function(name));
        wire_input arguments(head.take(head.remaining()), shared);
        if (std::chrono::steady_clock::now() >= deadline) {
            throw timeout_error(k_late_job);
        }
        thunk(arguments, out);
    }

    shared_bytes map(segment_place const& place, mapping& once) {
        if (auto const known = mappings_.find(place.id); known != mappings_.end()) {
            return known->second.bytes();
        }
        lacks_memory_ = place.keep;  // until it has it
        mapping fresh(std::exchange(passed_[0], {}).get(), static_cast<std::size_t>(place.capacity));
        if (!place.keep) {
            once = std::move(fresh);
            return once.bytes();
        }
        auto const bytes = mappings_.emplace(place.id, std::move(fresh)).first->second.bytes();
        lacks_memory_ = false;
        return bytes;
    }

    // What a job has written must not wait for the next one, nor go when this process is killed. A process that the job has
    // forked, and that came back from it, has nothing to say here and gets no jobs.
    void flush_output() const {
        if (::getpid() != pid_) {
            ::_exit(k_failed);
        }
        std::cout.flush();
        std::clog.flush();  // has a buffer of its own after sync_with_stdio(false)
        std::fflush(stdout);
    }

    worker_marker const marker_;
    pid_t const pid_ = ::getpid();
    last_words last_words_;
    frame_reader reader_;
    byte_buffer from_socket_;
    passed_descriptors passed_;
    byte_buffer answer_;
    mailbox_mapping mail_;
    owned_descriptor bell_;
    bool is_at_mailbox_ = false;
    patience patience_;  // with the pool's next message
    std::array<std::byte, mail_slot::k_room> from_mail_;
    std::uint64_t cpu_limit_ = 0;
    std::unordered_map<std::uint64_t, mapping> mappings_;
    bool lacks_memory_ = false;
};

int serve_pool(std::string const& text) noexcept {
    auto const marker = worker_marker::parse(text);
    if (!marker || !confine_worker(*marker)) {
        std::fprintf(stderr, "coir: %s is set, but there is no process pool that wants this process\n",
                     k_worker_marker);
        return k_failed;
    }
    try {
        return server(*marker).serve();
    } catch (std::exception const& error) {
        std::fprintf(stderr, "coir: a worker process gives up: %s\n", error.what());
    }
    return k_failed;
}

// Before main(), which asks for it.
struct registration {
    registration() noexcept { register_worker_main(&serve_pool); }
} const registered;

}  // namespace

void link_worker_entry() noexcept {}

}  // namespace coir::detail
