"""The population model of one organ, by NUTS (numpyro): mean and standard deviation of ln TIA of the last cycle.

Reads a case from standard input: mean, patient_sd, cycle_sd of ln T and, in `uptake`, of ln(A/gbq_ml) where it is known; `gbq_ml`;
and cycles of [time_h, activity_mbq, rel_sigma].
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

jax.config.update("jax_enable_x64", True)
case = json.load(sys.stdin)


def model():
    z_patient = numpyro.sample("z_patient", dist.Normal(0.0, 1.0))
    uptake = case["uptake"]
    if uptake:
        own_uptake = uptake["mean"] + uptake["patient_sd"] * numpyro.sample("z_uptake", dist.Normal(0.0, 1.0))
    patient = case["mean"] + case["patient_sd"] * z_patient
    for n, scans in enumerate(case["cycles"]):
        z = numpyro.sample(f"z_{n}", dist.Normal(0.0, 1.0))
        ln_half_life = patient + case["cycle_sd"] * z
        first = jnp.log(scans[0][1])
        if uptake:
            cycle_uptake = own_uptake + uptake["cycle_sd"] * numpyro.sample(f"u_{n}", dist.Normal(0.0, 1.0))
            ln_amplitude = cycle_uptake + jnp.log(case["gbq_ml"])
        else:
            # the amplitude is free: a normal law of a hundredfold width about the first scan
            ln_amplitude = numpyro.sample(f"a_{n}", dist.Normal(first, 5.0))
        for time_h, activity, sigma in scans:
            curve = ln_amplitude - jnp.log(2.0) * time_h / jnp.exp(ln_half_life)
            numpyro.factor(f"scan_{n}_{time_h}", dist.Normal(curve, sigma).log_prob(jnp.log(activity)))
    numpyro.deterministic("ln_tia", ln_amplitude + ln_half_life - jnp.log(jnp.log(2.0)))


run = MCMC(NUTS(model, target_accept_prob=0.95), num_warmup=2000, num_samples=40000, progress_bar=False)
run.run(jax.random.PRNGKey(1))
ln_tia = run.get_samples()["ln_tia"]
print(json.dumps({"mean": float(ln_tia.mean()), "sd": float(ln_tia.std())}))
