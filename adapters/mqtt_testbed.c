#include "adapters/mqtt_testbed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
             getsockname(fd, (struct sockaddr *)&address, &len) == 0,
        "free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static bool listening(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return ok;
}

int testbed_run(const struct testbed *testbed, const char *command)
{
    char line[2048];
    (void)snprintf(line, sizeof line, "cd '%s' && export PORT=%u && { %s\n}", testbed->dir,
        testbed->port, command);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void testbed_init(struct testbed *testbed, const char *script)
{
    *testbed = (struct testbed){.dir = "/tmp/ph-testbed-XXXXXX", .port = free_port()};
    must(mkdtemp(testbed->dir) != NULL, "mkdtemp");
    char line[1024];
    (void)snprintf(line, sizeof line, "'%s' '%s'", script, testbed->dir);
    must(system(line) == 0, script);
}

void testbed_fini(struct testbed *testbed)
{
    testbed_stop(testbed, SIGTERM);
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf '%s'", testbed->dir);
    must(system(line) == 0, "remove");
}

static void write_configuration(
    const struct testbed *testbed, const char *certificate, const char *lines)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/mosquitto.conf", testbed->dir);
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    /* mosquitto started by root drops its privileges unless it is told to stay */
    (void)fprintf(file,
        "user root\nlistener %u 127.0.0.1\ncafile %s/trust-clients.pem\ncertfile %s/%s.pem\n"
        "keyfile %s/%s.key\nrequire_certificate true\nset_tcp_nodelay true\n%s\n",
        testbed->port, testbed->dir, testbed->dir, certificate, testbed->dir, certificate, lines);
    must(fclose(file) == 0, path);
}

void testbed_start(struct testbed *testbed, const char *certificate, const char *lines)
{
    write_configuration(testbed, certificate, lines);
    testbed->broker = fork();
    must(testbed->broker >= 0, "fork");
    if (testbed->broker == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        must(chdir(testbed->dir) == 0, testbed->dir);
        int log = open("mosquitto.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        must(log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0, "log");
        (void)execlp("mosquitto", "mosquitto", "-v", "-c", "mosquitto.conf", (char *)NULL);
        (void)execl("/usr/sbin/mosquitto", "mosquitto", "-v", "-c", "mosquitto.conf", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200; i++) {
        if (listening(testbed->port)) {
            return;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    must(false, "mosquitto does not listen");
}

void testbed_stop(struct testbed *testbed, int signal_number)
{
    if (testbed->broker > 0) {
        (void)kill(testbed->broker, signal_number);
        (void)waitpid(testbed->broker, NULL, 0);
        testbed->broker = 0;
    }
}
