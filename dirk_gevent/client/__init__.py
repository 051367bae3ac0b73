"""The client: prompt, scripts and the PEP 249 driver. It speaks the protocol and knows no grammar."""
