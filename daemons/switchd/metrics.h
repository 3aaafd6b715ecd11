/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of bg-switchd (W-12, O-1). */
#ifndef SW_METRICS_H
#define SW_METRICS_H

#include "switchd/switch.h"

struct sw_metrics *sw_metrics_new(struct sw_daemon *dm);
void sw_metrics_free(struct sw_metrics *m);
char *sw_metrics_render(struct sw_metrics *m);                       /* the caller frees it */
void sw_metrics_ended(struct sw_switch *sw, const struct sw_run *r); /* sw->last is its entry */
void sw_metrics_dropped(struct sw_switch *sw);                       /* a scheduled switch that never began */

#endif
