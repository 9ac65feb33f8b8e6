"""Model directories: what their manifests say, whether they may be run, and the runtime that runs them."""
