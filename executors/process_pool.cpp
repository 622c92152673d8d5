// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/process_pool.hpp>

#include "executors/process/image_impl.hpp"
#include "executors/process/pool_impl.hpp"
#include "executors/process/request_impl.hpp"

namespace coir {

process_pool_executor::process_pool_executor(process_pool_options options)
    : pool_(detail::process_pool::make(std::move(options))) {}

process_pool_executor::~process_pool_executor() {
    shutdown();
}

std::string process_pool_executor::name_of(detail::remote_thunk thunk) {
    detail::byte_buffer bytes;
    detail::wire_output out(bytes);
    detail::write_name(out, detail::name_of_function(reinterpret_cast<void const*>(thunk)));
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::shared_ptr<detail::byte_buffer> process_pool_executor::begin_frame(std::string const& name) {
    return std::make_shared<detail::byte_buffer>(detail::begin_job_frame(name));
}

void process_pool_executor::submit_job(detail::remote_job& job, detail::wire_output const& arguments) {
    pool_->submit(job, arguments);
}

void process_pool_executor::shutdown(shutdown_options options) {
    pool_->close(options.cancel_pending);
    if (options.wait) {
        pool_->wait_until_ended();
    }
}

process_pool_stats process_pool_executor::stats() const {
    return pool_->stats();
}

}  // namespace coir
