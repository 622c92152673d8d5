// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   worker_died          the process that ran a job has ended
//   worker_start_error   no worker process could be started
//   remote_exception     a job threw something that is no standard exception

#include <coir/core/base/errors.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace coir {

/// The worker process that ran the job ended before it had answered. Only that job fails. what() says how the process ended, and
/// whether it had overflowed its stack.
class worker_died : public std::runtime_error {
public:
    /// `signal`: what killed it, or 0; `exit_status`: what it exited with, or -1 if a signal killed it. Both 0 and -1 if
    /// somebody else has taken the status away (a program that ignores SIGCHLD).
    worker_died(std::string const& what, int signal, int exit_status)
        : std::runtime_error(what), signal_(signal), exit_status_(exit_status) {}

    /// The signal that ended the worker, 0 if it exited.
    int signal() const noexcept { return signal_; }
    /// The status that it exited with, -1 if a signal ended it.
    int exit_status() const noexcept { return exit_status_; }

private:
    int signal_;
    int exit_status_;
};

/// No worker process can be started: the program did not enter through coir::run(argc, argv, f) or serve_if_worker(), its
/// workers end before they get there, or it has no process or descriptor left for one. (Workers whose initializer throws, ends
/// them or does not return: broken_executor.)
class worker_start_error : public broken_executor {
public:
    using broken_executor::broken_executor;
};

/// A job threw something that is neither an exception of the standard library nor one of coir's that come back as themselves:
/// its type's name and its what().
class remote_exception : public std::runtime_error {
public:
    remote_exception(std::string type_name, std::string const& what)
        : std::runtime_error(what), type_name_(std::move(type_name)) {}

    /// As written in the source, with its namespaces.
    std::string const& type_name() const noexcept { return type_name_; }

private:
    std::string type_name_;
};

}  // namespace coir
