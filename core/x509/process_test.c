#include "x509/process.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int witness;

static void say_so(void)
{
    (void)!write(witness, "c", 1);
}

/* Whether a process that uses OpenSSL and then calls exit() has OpenSSL clean up. This one may not
 * have used OpenSSL before, since what it chose would be inherited. */
static bool cleans_up(bool keep)
{
    int pipe_fd[2];
    char byte = 0;
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        witness = pipe_fd[1];
        if (keep) {
            ph_x509_keep_at_exit();
        }
        (void)EVP_MD_fetch(NULL, "SHA256", NULL);
        (void)OPENSSL_atexit(say_so);
        exit(0); /* NOLINT(concurrency-mt-unsafe): there is one thread */
    }
    assert_true(pid > 0);
    (void)close(pipe_fd[1]);
    bool said = read(pipe_fd[0], &byte, 1) == 1;
    (void)close(pipe_fd[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return said;
}

/* [MQTT-16] the control, and what the client makes use of. */
static void exit_leaves_openssl_to_the_threads_that_use_it(void **state)
{
    (void)state;
    assert_true(cleans_up(false)); /* control: it would */
    assert_false(cleans_up(true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_leaves_openssl_to_the_threads_that_use_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
