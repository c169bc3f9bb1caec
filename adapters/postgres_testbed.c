#include "adapters/postgres_testbed.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTINGS                                                                                   \
    "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 300\n"          \
    "max_wal_senders = 4\njit = off\nlog_line_prefix = '%%m [%%p] %%a '\n"                         \
    "unix_socket_permissions = 0777\nlisten_addresses = ''\n"

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static bool has_server(const char *bindir)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/initdb", bindir);
    bool ok = access(path, X_OK) == 0;
    (void)snprintf(path, sizeof path, "%s/postgres", bindir);
    return ok && access(path, X_OK) == 0;
}

/* Where the client library was installed to, which need not have the server. */
static bool ask_pg_config(char *out, size_t size)
{
    FILE *pipe = popen("pg_config --bindir 2>/dev/null", "r");
    bool ok = pipe != NULL && fgets(out, (int)size, pipe) != NULL;
    if (pipe != NULL) {
        (void)pclose(pipe);
    }
    out[ok ? strcspn(out, "\n") : 0] = '\0';
    return ok && has_server(out);
}

/* A link in PATH leads to where the other programs are. */
static bool look_in_path(char *out, size_t size)
{
    const char *folders = getenv("PATH");
    char *path = strdup(folders != NULL ? folders : "");
    bool found = false;
    must(path != NULL, "PATH");
    char *rest = path;
    for (char *dir = strsep(&rest, ":"); dir != NULL && !found; dir = strsep(&rest, ":")) {
        char name[512];
        (void)snprintf(name, sizeof name, "%s/postgres", dir);
        char *real = realpath(name, NULL);
        if (real != NULL) {
            *strrchr(real, '/') = '\0';
            (void)snprintf(out, size, "%s", real);
            found = has_server(out);
        }
        free(real);
    }
    free(path);
    return found;
}

/* Debian keeps them out of PATH, one folder per version; the newest one. */
static bool look_in_debian(char *out, size_t size)
{
    struct dirent **versions = NULL;
    int count = scandir("/usr/lib/postgresql", &versions, NULL, versionsort);
    bool found = false;
    for (int i = count - 1; i >= 0; i--) {
        if (!found) {
            int len = snprintf(out, size, "/usr/lib/postgresql/%s/bin", versions[i]->d_name);
            found = len > 0 && (size_t)len < size && has_server(out);
        }
        free(versions[i]);
    }
    free(versions);
    return found;
}

static bool find_bindir(char *out, size_t size)
{
    return ask_pg_config(out, size) || look_in_path(out, size) || look_in_debian(out, size);
}

bool pg_testbed_available(void)
{
    char bindir[320];
    bool ok = find_bindir(bindir, sizeof bindir);
    if (!ok) {
        (void)puts("skipped: no PostgreSQL server here (postgres, initdb); install postgresql");
    }
    return ok;
}

struct user {
    uid_t uid;
    gid_t gid;
};

static bool look_up(const char *name, struct user *out)
{
    char buffer[4096];
    struct passwd entry = {0};
    struct passwd *found = NULL;
    (void)getpwnam_r(name, &entry, buffer, sizeof buffer, &found);
    *out = (struct user){.uid = entry.pw_uid, .gid = entry.pw_gid};
    return found != NULL;
}

/* Who runs the server; false: the user we are. */
static bool server_user(struct user *out)
{
    if (geteuid() != 0) {
        return false;
    }
    must(look_up("postgres", out) || look_up("nobody", out), "user postgres or nobody");
    return true;
}

/* In the child. A change of user would clear the signal, so it comes first. */
static void become_server_user(bool change, const struct user *user)
{
    if (change) {
        must(setgroups(0, NULL) == 0 && setgid(user->gid) == 0 && setuid(user->uid) == 0, "setuid");
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A shell that finds the server and its programs. */
static void run_shell(const struct pg_testbed *testbed, const char *command)
{
    const char *folders = getenv("PATH");
    char path[4096];
    char host[128];
    char home[128];
    char port[32];
    (void)snprintf(path, sizeof path, "PATH=%s:%s", testbed->bindir,
        folders != NULL ? folders : "/usr/bin:/bin");
    (void)snprintf(host, sizeof host, "PGHOST=%s", testbed->dir);
    (void)snprintf(home, sizeof home, "HOME=%s", testbed->dir);
    (void)snprintf(port, sizeof port, "PGPORT=%u", testbed->port);
    (void)execl("/usr/bin/env", "env", path, host, home, port, "PGUSER=postgres",
        "PGDATABASE=postgres", "LC_ALL=C", "sh", "-c", command, (char *)NULL);
}

/* A shell that runs the command (and becomes it, with "exec") with its output in the log. */
static pid_t spawn(const struct pg_testbed *testbed, const char *command)
{
    struct user user = {0};
    bool change = server_user(&user);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        become_server_user(change, &user);
        must(chdir(testbed->dir) == 0, testbed->dir);
        int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        must(log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0, "log");
        run_shell(testbed, command);
        _exit(127);
    }
    return pid;
}

int pg_testbed_run(const struct pg_testbed *testbed, const char *command)
{
    int status = -1;
    pid_t pid = spawn(testbed, command);
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_run(const struct pg_testbed *testbed, const char *command)
{
    if (pg_testbed_run(testbed, command) != 0) {
        (void)fprintf(stderr, "%s: failed; see %s/log\n", command, testbed->dir);
        abort();
    }
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
             getsockname(fd, (struct sockaddr *)&address, &len) == 0,
        "free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void make_folder(struct pg_testbed *testbed)
{
    struct user user = {0};
    bool change = server_user(&user);
    *testbed = (struct pg_testbed){.dir = "/tmp/ph-postgres-XXXXXX", .port = free_port()};
    must(find_bindir(testbed->bindir, sizeof testbed->bindir), "postgres");
    must(mkdtemp(testbed->dir) != NULL && chmod(testbed->dir, 0755) == 0, "mkdtemp");
    must(!change || chown(testbed->dir, user.uid, user.gid) == 0, "chown");
}

void pg_testbed_init(struct pg_testbed *testbed)
{
    make_folder(testbed);
    must_run(testbed, "initdb --no-sync -A trust -U postgres -E UTF8 --locale=C -D data");
}

void pg_testbed_init_standby(struct pg_testbed *testbed, const struct pg_testbed *primary)
{
    char command[512];
    make_folder(testbed);
    (void)snprintf(command, sizeof command,
        "pg_basebackup --no-sync -c fast -R -D data -d 'host=%s port=%u user=postgres"
        " application_name=standby'",
        primary->dir, primary->port);
    must_run(testbed, command);
}

void pg_testbed_fini(struct pg_testbed *testbed, bool failed)
{
    char line[128];
    pg_testbed_stop(testbed, SIGQUIT);
    if (failed || getenv("PH_KEEP") != NULL) {
        (void)printf("kept: %s\n", testbed->dir);
        return;
    }
    (void)snprintf(line, sizeof line, "rm -rf '%s'", testbed->dir);
    must(system(line) == 0, "remove");
}

static void write_settings(const struct pg_testbed *testbed, const char *settings)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data/postgresql.conf", testbed->dir);
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    (void)fprintf(file, SETTINGS "port = %u\nunix_socket_directories = '%s'\n%s\n", testbed->port,
        testbed->dir, settings);
    must(fclose(file) == 0, path);
}

/* False when the server ends instead: sessions of a killed one may hold its memory for a while. */
static bool answers(struct pg_testbed *testbed)
{
    for (int i = 0; i < 600; i++) {
        if (waitpid(testbed->server, NULL, WNOHANG) == testbed->server) {
            testbed->server = 0;
            return false;
        }
        if (pg_testbed_run(testbed, "pg_isready -q") == 0) {
            return true;
        }
        pause_ms(50);
    }
    (void)fprintf(stderr, "the server does not answer; see %s/log\n", testbed->dir);
    abort();
}

void pg_testbed_start(struct pg_testbed *testbed, const char *settings)
{
    write_settings(testbed, settings);
    for (int i = 0; i < 40; i++) {
        testbed->server = spawn(testbed, "exec postgres -D data");
        if (answers(testbed)) {
            return;
        }
        pause_ms(250);
    }
    (void)fprintf(stderr, "the server does not start; see %s/log\n", testbed->dir);
    abort();
}

/* Its sessions and helpers; they would go on for a while without it. */
static void kill_children(pid_t server)
{
    char path[64];
    int child = 0;
    (void)kill(server, SIGSTOP); /* no new ones */
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)server, (int)server);
    FILE *file = fopen(path, "r");
    while (file != NULL && fscanf(file, "%d", &child) == 1) {
        (void)kill(child, SIGKILL);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

void pg_testbed_stop(struct pg_testbed *testbed, int signal_number)
{
    if (testbed->server > 0) {
        if (signal_number == SIGKILL) {
            kill_children(testbed->server);
        }
        (void)kill(testbed->server, signal_number);
        (void)waitpid(testbed->server, NULL, 0);
        testbed->server = 0;
    }
}

void pg_testbed_promote(const struct pg_testbed *testbed)
{
    must_run(testbed, "pg_ctl promote -w -D data");
}

void pg_testbed_schema(const struct pg_testbed *testbed, char uri[PG_TESTBED_URI_BYTES])
{
    static unsigned count;
    char command[128];
    count++;
    (void)snprintf(command, sizeof command, "psql -Xqc 'CREATE SCHEMA ph_%u'", count);
    must_run(testbed, command);
    (void)snprintf(uri, PG_TESTBED_URI_BYTES,
        "postgresql://postgres@/postgres?host=%s&port=%u&options=-csearch_path%%3Dph_%u",
        testbed->dir, testbed->port, count);
}

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    must(file != NULL, path);
    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    (void)fclose(file);
    must(text != NULL, "memory");
    return text;
}

/* A file for the SQL spares its quoting for the shell. */
char *pg_testbed_sql(const struct pg_testbed *testbed, const char *uri, const char *sql)
{
    char path[128];
    char command[1024];
    (void)snprintf(path, sizeof path, "%s/sql", testbed->dir);
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    bool written = fputs(sql, file) >= 0;
    must(fclose(file) == 0 && written, path);
    (void)snprintf(command, sizeof command,
        "psql -XAtq -P null=- -v ON_ERROR_STOP=1 '%s' -f sql >answer", uri);
    must_run(testbed, command);
    (void)snprintf(path, sizeof path, "%s/answer", testbed->dir);
    return read_all(path);
}
