"""agbench: how far can images be compressed before AutoML accuracy drops, and what does it save?"""
