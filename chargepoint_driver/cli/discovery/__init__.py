"""From an account to the configs of its devices: `site` what there is, `available` what can be
read of it, `topics` names, `bundle` the configs, `platform` storing them, `central` charge points.

Nothing here prints; VOLTTRON is met only in a child process.
"""
