/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/switches/{name}/doctor: what `bgctl doctor` judges and the status does not say, asked of the brokers anew. */
#ifndef SW_DOCTOR_H
#define SW_DOCTOR_H

#include "common/http_server.h"

/* The arg is the struct sw_daemon. Answered within the switch's prepare-timeout, whatever Kafka does. */
void sw_doctor(struct bg_http_req *req, void *arg);

#endif
