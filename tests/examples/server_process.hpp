// SPDX-License-Identifier: BSL-1.0
#pragma once

// coir_server as a process of its own.

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace coir::test {

/// As whom the server runs: the superuser may read everything.
enum class identity { own, nobody_if_root };

class process {
public:
    explicit process(std::vector<std::string> arguments, identity who = identity::own) {
        int out[2];
        int err[2];
        if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
            throw std::runtime_error("no pipe");
        }
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        ::posix_spawn_file_actions_adddup2(&actions, err[1], 2);
        std::string const program = std::string(COIR_EXAMPLES_DIR) + "/coir_server";
        int opened = -1;
        if (who == identity::nobody_if_root && ::geteuid() == 0) {
            // By its descriptor: the way to the program may be closed to others.
            opened = ::open(program.c_str(), O_PATH);
            arguments.insert(arguments.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                                 "/proc/self/fd/" + std::to_string(opened)});
        } else {
            arguments.insert(arguments.begin(), program);
        }
        std::vector<char*> argv;
        for (std::string& argument : arguments) {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        int const failed = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(out[1]);
        ::close(err[1]);
        if (opened >= 0) {
            ::close(opened);
        }
        out_ = out[0];
        err_ = err[0];
        if (failed != 0) {
            throw std::runtime_error("cannot start " + arguments[0]);
        }
    }
    process(process const&) = delete;
    process& operator=(process const&) = delete;
    ~process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
        ::close(out_);
        ::close(err_);
    }

    void signal(int number) const { ::kill(pid_, number); }
    pid_t pid() const noexcept { return pid_; }

    /// Its exit status, or 1000 and the signal that ended it.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    std::string line_of_output() const { return read(out_, true); }
    std::string rest_of_output() const { return read(out_, false); }
    std::string rest_of_errors() const { return read(err_, false); }
    std::string line_of_errors() const { return read(err_, true); }

private:
    static std::string read(int fd, bool one_line) {
        std::string text;
        char c = 0;
        while (::read(fd, &c, 1) == 1) {
            text.push_back(c);
            if (one_line && c == '\n') {
                break;
            }
        }
        return text;
    }

    pid_t pid_ = -1;
    int out_ = -1;
    int err_ = -1;
};

/// One that listens.
class server_process : public process {
public:
    explicit server_process(std::vector<std::string> arguments = {}) : process(with_port(std::move(arguments))) {
        std::string const line = line_of_output();
        std::size_t const colon = line.rfind(':');
        port_ = colon == std::string::npos ? std::uint16_t{0}
                                           : static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1));
        EXPECT_NE(port_, 0) << line << rest_of_errors_if_dead();
    }
    std::uint16_t port() const noexcept { return port_; }

private:
    static std::vector<std::string> with_port(std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--port", "0"});
        return arguments;
    }
    std::string rest_of_errors_if_dead() const { return port_ == 0 ? rest_of_errors() : ""; }

    std::uint16_t port_ = 0;
};

}  // namespace coir::test
