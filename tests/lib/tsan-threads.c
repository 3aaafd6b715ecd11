/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C11 threads over pthread, for ThreadSanitizer (--enable-sanitizers=thread): Debian's librdkafka uses those, gcc
 * 12's sanitizer watches these only, and a thread that it has not seen begin crashes it. In glibc a mtx_t is a
 * pthread_mutex_t and a cnd_t a pthread_cond_t.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t) &&
		       sizeof(thrd_t) == sizeof(pthread_t),
	       "glibc's C11 threads are pthreads");

struct begin {
	thrd_start_t fn;
	void *arg;
};

static int result(int rc)
{
	switch (rc) {
	case 0:
		return thrd_success;
	case ENOMEM:
		return thrd_nomem;
	case ETIMEDOUT:
		return thrd_timedout;
	case EBUSY:
		return thrd_busy;
	default:
		return thrd_error;
	}
}

static void *begin(void *arg)
{
	struct begin b = *(struct begin *)arg;

	free(arg);
	return (void *)(intptr_t)b.fn(b.arg);
}

int thrd_create(thrd_t *t, thrd_start_t fn, void *arg)
{
	struct begin *b = malloc(sizeof(*b));
	int rc;

	if (!b)
		return thrd_nomem;
	*b = (struct begin){fn, arg};
	rc = pthread_create((pthread_t *)t, NULL, begin, b);
	if (rc)
		free(b);
	return result(rc);
}

int thrd_join(thrd_t t, int *ret)
{
	void *value = NULL;
	int rc = pthread_join((pthread_t)t, &value);

	if (ret)
		*ret = (int)(intptr_t)value;
	return result(rc);
}

int thrd_detach(thrd_t t)
{
	return result(pthread_detach((pthread_t)t));
}

int mtx_init(mtx_t *m, int type)
{
	pthread_mutexattr_t attr;
	int rc;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr,
				  type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
	rc = pthread_mutex_init((pthread_mutex_t *)m, &attr);
	pthread_mutexattr_destroy(&attr);
	return result(rc);
}

void mtx_destroy(mtx_t *m)
{
	pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
	return result(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
	return result(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
	return result(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
	return result(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
	pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
	return result(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
	return result(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
	return result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
	return result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}
