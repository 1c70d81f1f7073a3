"""The methods, each a module of this folder, and their own numbers; loads none of them."""

METHODS: dict[str, dict[str, float]] = {
    "dmml_kd": {},
    "fedgen_strong": {},
    "fedgen": {},
    "dmml_strong": {},
    "dmml": {},
    "fedprox": {"proximal_weight": 0.01},
    "qg_momentum": {"momentum": 0.9},
    "ogm_ge": {"modulation": 0.3},
    "pmr": {"prototype_weight": 1.0},
    "fedproto": {"prototype_weight": 1.0},
    "single_modality": {},
    "fedavg_star": {"client_share": 1.0},
    "fedopt_star": {
        "client_share": 1.0,
        "server_rate": 0.01,
        "server_beta1": 0.9,
        "server_beta2": 0.99,
        "server_tau": 1e-3,
    },
    "local": {},
    "centralised": {},
}
METHOD_NAMES = tuple(METHODS)
# In place of a method: devices learn nothing.
NO_LEARNING = "none"
