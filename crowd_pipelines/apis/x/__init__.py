"""The X API v2, as far as the platforms `twitter` and `twitter_reach` read it.

Source: the official description, version 2.166. Later ones call posts `post_*` where this one says `tweet_*`, while the
prose still uses the old words: requests are made in the old vocabulary, answers are read in both.
"""
